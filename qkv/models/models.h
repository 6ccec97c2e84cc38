// The front door of the models: one file an architecture.
#pragma once
#include "qkv/models/bag_of_words.h"
#include "qkv/models/decoder.h"
#include "qkv/models/encoder_classifier.h"
#include "qkv/models/encoder_decoder.h"
#include "qkv/models/graph_network.h"
#include "qkv/models/masked_language_model.h"
#include "qkv/models/recurrent_translator.h"
