// Texts, pictures and sounds to tokens and back.
#pragma once
#include "qkv/tokens/characters.h"
#include "qkv/tokens/tokenizer.h"
#include "qkv/tokens/training.h"
#include "qkv/tokens/image_changes.h"
#include "qkv/tokens/log_mel.h"
#include "qkv/tokens/patches.h"
#include "qkv/tokens/resample.h"
