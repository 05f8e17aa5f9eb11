/* SPDX-License-Identifier: BSD-3-Clause */
/* The walker for the AMD v1 format. */
#include "pgtable/amdv1.h"
#include "pgtable/walker_priv.h"
