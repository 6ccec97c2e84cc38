// The front door of training: from a loss to weights, and to a file that holds them.
#pragma once
#include "qkv/train/answer_task.h"
#include "qkv/train/checkpoint.h"
#include "qkv/train/chosen_examples.h"
#include "qkv/train/classification.h"
#include "qkv/train/classifier.h"
#include "qkv/train/data_order.h"
#include "qkv/train/optimiser.h"
#include "qkv/train/options.h"
#include "qkv/train/progress.h"
#include "qkv/train/schedule.h"
#include "qkv/train/trainer.h"
