// Texts to tokens and back.
#pragma once
#include "qkv/tokens/characters.h"
