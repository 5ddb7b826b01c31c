/* Enough of CUDA to work kernels off on a CPU, one thread after the other. Threads of a block that wait for each other are
   coroutines: each runs up to the next place where all must meet. `order` says whether the first or the last thread goes first:
   kernels without races give the same bits either way. The including file defines KERNELS, a switch over the kernels. */

#define _GNU_SOURCE
#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

typedef struct {
    unsigned x;
} Index;

static _Thread_local Index threadIdx, blockIdx, blockDim, gridDim;

#define KERNEL static
#define __device__
#define __forceinline__ inline
#define __shared__ static _Thread_local

enum { THREADS = 1024, STACK = 1 << 15 };

static _Thread_local struct {
    /* Where a thread begins, and where it and the block go on: jumps are many times as fast as a change of context. */
    ucontext_t beginnings[THREADS];
    jmp_buf threads[THREADS], block;
    char* stacks;
    int begun[THREADS], ended[THREADS];
    /* Values that threads of a warp show each other. */
    float shown[THREADS], summed[THREADS][32];
    int kernel;
    void** arguments;
} state;

static void __syncthreads(void) {
    unsigned self = threadIdx.x;
    if (!_setjmp(state.threads[self])) _longjmp(state.block, 1);
    threadIdx.x = self;
}

/* All threads of the block take part in every one of them. */
static float __shfl_xor_sync(unsigned mask, float value, int apart) {
    (void)mask;
    state.shown[threadIdx.x] = value;
    __syncthreads();
    float other = state.shown[threadIdx.x ^ (unsigned)apart];
    __syncthreads();
    return other;
}

/* As many shuffles, but all threads meet twice for all of them. */
#define GROUP_SUMS
static void group_sums(float* values, int count, int lanes) {
    float sums[32];
    for (int i = 0; i < count; i++) state.summed[threadIdx.x][i] = values[i];
    __syncthreads();
    unsigned first = threadIdx.x / (unsigned)lanes * (unsigned)lanes;
    for (int i = 0; i < count; i++) {
        for (int lane = 0; lane < lanes; lane++) sums[lane] = state.summed[first + (unsigned)lane][i];
        for (int apart = lanes / 2; apart > 0; apart /= 2)
            for (int lane = 0; lane < apart; lane++) sums[lane] += sums[lane + apart];
        values[i] = sums[0];
    }
    __syncthreads();
}

/* cos(pi v) */
static float cospif(float v) {
    return (float)cos(3.14159265358979323846 * v);
}

#include "kernels.cu"

#define ARGUMENT(type, at) (*(type*)arguments[at])

static void call(int kernel, void** arguments) {
    switch (kernel) { KERNELS }
}

static void enter(void) {
    call(state.kernel, state.arguments);
    state.ended[threadIdx.x] = 1;
    _longjmp(state.block, 1);
}

/* Lets a thread run up to the next place where all must meet, or to its end. */
static void resume(unsigned thread) {
    if (_setjmp(state.block)) return;
    if (state.begun[thread]) _longjmp(state.threads[thread], 1);
    state.begun[thread] = 1;
    setcontext(&state.beginnings[thread]);
}

/* Works off a kernel; `meet`: its threads wait for each other. 0: all threads have met at the same places. */
int launch(int kernel, unsigned blocks, unsigned threads, void** arguments, int meet, int order) {
    gridDim.x = blocks;
    blockDim.x = threads;
    state.kernel = kernel;
    state.arguments = arguments;
    if (meet && !state.stacks) state.stacks = malloc((size_t)THREADS * STACK);
    for (unsigned b = 0; b < blocks; b++) {
        blockIdx.x = order ? blocks - 1 - b : b;
        unsigned left = threads;
        for (unsigned t = 0; t < threads; t++) {
            unsigned thread = order ? threads - 1 - t : t;
            if (!meet) {
                threadIdx.x = thread;
                call(kernel, arguments);
                continue;
            }
            state.begun[thread] = state.ended[thread] = 0;
            ucontext_t* beginning = &state.beginnings[thread];
            getcontext(beginning);
            beginning->uc_stack.ss_sp = state.stacks + (size_t)thread * STACK;
            beginning->uc_stack.ss_size = STACK;
            beginning->uc_link = NULL;
            makecontext(beginning, enter, 0);
        }
        while (meet && left > 0) {
            unsigned ended = 0;
            for (unsigned t = 0; t < threads; t++) {
                threadIdx.x = order ? threads - 1 - t : t;
                unsigned thread = threadIdx.x;
                if (!state.ended[thread]) resume(thread);
                ended += (unsigned)state.ended[thread];
            }
            left = threads - ended;
            if (left > 0 && ended > 0) return 1;
        }
    }
    return 0;
}
