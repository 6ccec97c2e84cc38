// Texts to tokens and back.
#pragma once
#include "qkv/tokens/characters.h"
#include "qkv/tokens/tokenizer.h"
#include "qkv/tokens/training.h"
