// Files: tensors as safetensors, texts, pictures, sounds, and the careful reading and writing that all rest on.
#pragma once
#include "qkv/io/atomic_file.h"
#include "qkv/io/gzip.h"
#include "qkv/io/idx.h"
#include "qkv/io/image_file.h"
#include "qkv/io/input_file.h"
#include "qkv/io/labelled_files.h"
#include "qkv/io/mapped_text.h"
#include "qkv/io/safetensors.h"
#include "qkv/io/sound_file.h"
#include "qkv/io/text_file.h"
#include "qkv/io/utf8.h"
