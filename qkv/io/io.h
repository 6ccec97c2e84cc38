// Files: tensors as safetensors, texts, and the careful writing that both rest on.
#pragma once
#include "qkv/io/atomic_file.h"
#include "qkv/io/input_file.h"
#include "qkv/io/safetensors.h"
#include "qkv/io/text_file.h"
#include "qkv/io/utf8.h"
