// The front door of the models: one file an architecture.
#pragma once
#include "qkv/models/decoder.h"
