// The ground floor: errors, threads, memory, random numbers, the processor's instruction sets.
#pragma once
#include "qkv/base/error.h"
#include "qkv/base/instruction_set.h"
#include "qkv/base/memory.h"
#include "qkv/base/random.h"
#include "qkv/base/threads.h"
