/* SPDX-License-Identifier: BSD-3-Clause */
/* The walker for the AMD v1 format. */
#include "amdv1.h"
#include "walker_priv.h"
