/* A CUDA driver and a cuBLAS without a GPU, as far as runner uses them: kernels are worked off on the CPU. Nothing that is enqueued
   happens before somebody waits for it, which is as late as CUDA allows; what CUDA forbids is an error here too: calls without
   a current context, what belongs to another one, waiting and allocating while a graph is recorded, wrong leading dimensions.

   The including file defines KERNELS, a switch over the kernels, and NAMED, their names, counts of arguments and whether threads
   wait for each other.

   REHEARSAL_DEVICES: how many devices there are, by default 1. REHEARSAL_MEMORY: bytes of each of them. REHEARSAL_BUSY: the
   device that another program has for itself. REHEARSAL_FAIL_AFTER: after so many kernels the first device is lost, and answers
   all with the same error. REHEARSAL_VERSION: the newest CUDA that the driver runs, by default 13000. REHEARSAL_GRADIENT: 1
   makes a part of every gradient a tenth larger before it is used, in graphs alone: what checks of single steps cannot see.
   CUDA_VISIBLE_DEVICES: none where it is empty. */

#define _GNU_SOURCE
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One kernel at a time, under a lock: its variables need not be those of a thread, of which a linked library has little room. */
#define _Thread_local
#include "emulated.c"
#undef _Thread_local

enum {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    DEVICE_UNAVAILABLE = 46,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_CONTEXT = 201,
    UNSUPPORTED_PTX_VERSION = 222,
    INVALID_HANDLE = 400,
    NOT_FOUND = 500,
    ILLEGAL_ADDRESS = 700,
    LAUNCH_FAILED = 719,
    CAPTURE_UNSUPPORTED = 900,
    CAPTURE_INVALIDATED = 901,
};
enum { BLAS_NOT_INITIALISED = 1, BLAS_INVALID_VALUE = 7, BLAS_EXECUTION_FAILED = 13 };

enum { MOST_DEVICES = 16, MOST_ARGUMENTS = 32 };

static const struct {
    const char* name;
    int arguments, meets;
} kernels[] = {NAMED};

/* Something enqueued. */
typedef struct Work {
    struct Work* next;
    int of_graph;
    enum { LAUNCH, TO_DEVICE, TO_HOST, PRODUCT } kind;
    union {
        struct {
            int kernel;
            unsigned blocks, threads;
            uint64_t arguments[MOST_ARGUMENTS];
        } launch;
        struct {
            void* to;
            const void* from;
            size_t bytes;
        } copy;
        struct {
            int tf32, at, bt, m, n, k, lda, ldb, ldc, count;
            long long astride, bstride, cstride;
            float alpha, beta;
            const float *a, *b;
            float* c;
        } product;
    };
} Work;

typedef struct {
    Work *first, **last;
} Queue;

typedef struct Context {
    int device;
    size_t used;
    struct Piece* pieces;
    int modules;
    /* Kernels so far, and the error after which there are no more. */
    size_t launched;
    int lost;
} Context;

typedef struct Piece {
    struct Piece* next;
    char* start;
    size_t bytes;
} Piece;

typedef struct Stream {
    Context* context;
    Queue queue;
    /* Where work goes while a graph is recorded, and by which thread. */
    Queue* recorded;
    pthread_t recorder;
    int broken;
    struct Stream* next;
} Stream;

typedef struct {
    Context* context;
    Stream* stream;
} Event;

typedef struct {
    Context* context;
    Queue queue;
} Graph;

typedef struct {
    Stream* stream;
    /* 0: f32; 3: factors in TF32. */
    int mode;
} Blas;

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static Context contexts[MOST_DEVICES];
static Stream* streams;
/* Of what was made and not given back: pieces of memory, pinned ones, streams, events, graphs, handles of cuBLAS. Modules go with
   their contexts. */
static int left[6];
enum { PIECES, PINNED, STREAMS, EVENTS, GRAPHS, HANDLES };
static __thread Context* current;

/* Every call is under the lock to its end. */
static void unlock(pthread_mutex_t** mutex) { pthread_mutex_unlock(*mutex); }
#define LOCKED                                                                        \
    pthread_mutex_t* guard __attribute__((cleanup(unlock), unused)) = &one_at_a_time; \
    pthread_mutex_lock(guard)
#define HERE                              \
    LOCKED;                               \
    if (!current) return INVALID_CONTEXT; \
    if (current->lost) return current->lost
#define OWN(stream) \
    HERE;           \
    if (!(stream) || (stream)->context != current) return INVALID_HANDLE

static size_t setting(const char* name, size_t usual) {
    const char* text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : usual;
}

static int devices(void) {
    const char* visible = getenv("CUDA_VISIBLE_DEVICES");
    if (visible && !*visible) return 0;
    size_t count = setting("REHEARSAL_DEVICES", 1);
    return count < MOST_DEVICES ? (int)count : MOST_DEVICES;
}

static size_t memory(void) { return setting("REHEARSAL_MEMORY", (size_t)4 << 30); }

static void complain(const char* format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "rehearsal: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
}

/* Whether `bytes` bytes at `address` are allocated on a device. */
static int owned(const Context* context, const void* address, size_t bytes) {
    for (const Piece* piece = context->pieces; piece; piece = piece->next)
        if ((const char*)address >= piece->start && (const char*)address + bytes <= piece->start + piece->bytes) return 1;
    complain("%zu bytes at %p are no memory of device %d", bytes, address, context->device);
    return 0;
}

static void append(Queue* queue, const Work* work) {
    Work* own = malloc(sizeof *own);
    *own = *work;
    own->next = NULL;
    if (!queue->first) queue->last = &queue->first;
    *queue->last = own;
    queue->last = &own->next;
}

static void clear(Queue* queue) {
    while (queue->first) {
        Work* work = queue->first;
        queue->first = work->next;
        free(work);
    }
}

static void enqueue(Stream* stream, const Work* work) { append(stream->recorded ? stream->recorded : &stream->queue, work); }

/* A factor as TF32 has it: 11 bits of mantissa, the first of which is not written. */
static double factor(float value, int tf32) {
    if (!tf32) return value;
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits = (bits + 0x1000) & ~0x1fffu;
    memcpy(&value, &bits, sizeof bits);
    return value;
}

static int multiply(const Context* context, const Work* work) {
    const int m = work->product.m, n = work->product.n, k = work->product.k;
    const int lda = work->product.lda, ldb = work->product.ldb, ldc = work->product.ldc;
    const int at = work->product.at, bt = work->product.bt, tf32 = work->product.tf32;
    double* sums = malloc(sizeof(double) * (size_t)m);
    int fine = 1;
    for (int i = 0; fine && i < work->product.count; i++) {
        const float* a = work->product.a + i * work->product.astride;
        const float* b = work->product.b + i * work->product.bstride;
        float* c = work->product.c + i * work->product.cstride;
        size_t a_floats = (size_t)lda * (size_t)((at ? m : k) - 1) + (size_t)(at ? k : m);
        size_t b_floats = (size_t)ldb * (size_t)((bt ? k : n) - 1) + (size_t)(bt ? n : k);
        size_t c_floats = (size_t)ldc * (size_t)(n - 1) + (size_t)m;
        fine = owned(context, a, 4 * a_floats) && owned(context, b, 4 * b_floats) && owned(context, c, 4 * c_floats);
        for (int column = 0; fine && column < n; column++) {
            for (int row = 0; row < m; row++) sums[row] = 0;
            for (int l = 0; l < k; l++) {
                double right = factor(bt ? b[column + (size_t)l * ldb] : b[l + (size_t)column * ldb], tf32);
                for (int row = 0; row < m; row++)
                    sums[row] += right * factor(at ? a[l + (size_t)row * lda] : a[row + (size_t)l * lda], tf32);
            }
            float* out = c + (size_t)column * ldc;
            for (int row = 0; row < m; row++) {
                double before = work->product.beta == 0 ? 0 : work->product.beta * out[row];
                out[row] = (float)(work->product.alpha * sums[row] + before);
            }
        }
    }
    free(sums);
    return fine ? SUCCESS : LAUNCH_FAILED;
}

/* Makes the first half of a gradient wrong where a kernel is about to use it. */
static void spoil(const char* kernel, void** arguments) {
    int chain = !strcmp(kernel, "squares"), whole = !strcmp(kernel, "advance");
    if (!chain && !whole) return;
    float* gradient = *(float**)arguments[chain ? 0 : 9];
    long long count = *(long long*)arguments[chain ? 1 : 10];
    for (long long i = 0; i < count / 2; i++) gradient[i] *= 1.1f;
}

static int work_off(Stream* stream) {
    int result = SUCCESS;
    for (Work* work = stream->queue.first; work && result == SUCCESS; work = work->next) {
        void* pointers[MOST_ARGUMENTS];
        switch (work->kind) {
            case LAUNCH:
                if (stream->context->device == 0 && ++stream->context->launched == setting("REHEARSAL_FAIL_AFTER", 0))
                    result = stream->context->lost = ILLEGAL_ADDRESS;
                for (int i = 0; i < MOST_ARGUMENTS; i++) pointers[i] = &work->launch.arguments[i];
                if (work->of_graph && setting("REHEARSAL_GRADIENT", 0)) spoil(kernels[work->launch.kernel].name, pointers);
                if (launch(work->launch.kernel, work->launch.blocks, work->launch.threads, pointers,
                           kernels[work->launch.kernel].meets, 0)) {
                    complain("threads of %s do not meet at the same places", kernels[work->launch.kernel].name);
                    result = LAUNCH_FAILED;
                }
                break;
            case TO_DEVICE:
                if (!owned(stream->context, work->copy.to, work->copy.bytes)) result = LAUNCH_FAILED;
                else memcpy(work->copy.to, work->copy.from, work->copy.bytes);
                break;
            case TO_HOST:
                if (!owned(stream->context, work->copy.from, work->copy.bytes)) result = LAUNCH_FAILED;
                else memcpy(work->copy.to, work->copy.from, work->copy.bytes);
                break;
            case PRODUCT:
                result = multiply(stream->context, work);
                break;
        }
    }
    clear(&stream->queue);
    return result;
}

/* For what waits for a whole device, or changes its memory: not while one of its graphs is recorded, which then is void. */
static int wait_for_all(Context* context) {
    for (Stream* stream = streams; stream; stream = stream->next) {
        if (stream->context != context) continue;
        if (stream->recorded) {
            complain("a whole device is waited for while a graph is recorded");
            stream->broken = 1;
            return CAPTURE_UNSUPPORTED;
        }
        int result = work_off(stream);
        if (result != SUCCESS) return result;
    }
    return SUCCESS;
}

/* Of a lost device nothing can be given back. */
__attribute__((destructor)) static void account(void) {
    for (int i = 0; i < MOST_DEVICES; i++)
        if (contexts[i].lost) return;
    for (int i = 0; i < 6; i++) {
        if (!left[i]) continue;
        complain("left at the end: %d pieces of memory, %d pinned ones, %d streams, %d events, %d graphs, %d handles of cuBLAS",
                 left[PIECES], left[PINNED], left[STREAMS], left[EVENTS], left[GRAPHS], left[HANDLES]);
        return;
    }
}

/* Devices. */

int cuInit(unsigned flags) {
    if (!getenv("CUDA_DEVICE_MAX_CONNECTIONS")) complain("more than 8 streams would wait for each other");
    return flags ? INVALID_VALUE : devices() ? SUCCESS : NO_DEVICE;
}

int cuDriverGetVersion(int* version) {
    *version = (int)setting("REHEARSAL_VERSION", 13000);
    return SUCCESS;
}

int cuDeviceGetCount(int* count) {
    *count = devices();
    return SUCCESS;
}

int cuDeviceGet(int* device, int ordinal) {
    if (ordinal < 0 || ordinal >= devices()) return INVALID_DEVICE;
    *device = ordinal;
    return SUCCESS;
}

int cuDeviceGetName(char* name, int length, int device) {
    snprintf(name, (size_t)length, "rehearsal %d", device);
    return SUCCESS;
}

int cuDeviceTotalMem_v2(size_t* bytes, int device) {
    if (device < 0 || device >= devices()) return INVALID_DEVICE;
    *bytes = memory();
    return SUCCESS;
}

int cuDevicePrimaryCtxRetain(Context** context, int device) {
    LOCKED;
    if ((size_t)device == setting("REHEARSAL_BUSY", MOST_DEVICES)) return DEVICE_UNAVAILABLE;
    contexts[device].device = device;
    *context = &contexts[device];
    return SUCCESS;
}

int cuDevicePrimaryCtxRelease_v2(int device) { return device < 0 ? INVALID_DEVICE : SUCCESS; }

int cuCtxSetCurrent(Context* context) {
    current = context;
    return SUCCESS;
}

/* Memory. */

int cuMemGetInfo_v2(size_t* free_now, size_t* all) {
    HERE;
    *all = memory();
    *free_now = *all - current->used;
    return SUCCESS;
}

int cuMemAlloc_v2(uint64_t* address, size_t bytes) {
    HERE;
    if (!bytes) return INVALID_VALUE;
    for (Stream* stream = streams; stream; stream = stream->next)
        if (stream->recorded && pthread_equal(stream->recorder, pthread_self())) return CAPTURE_UNSUPPORTED;
    if (current->used + bytes > memory()) return OUT_OF_MEMORY;
    Piece* piece = malloc(sizeof *piece);
    piece->bytes = bytes;
    piece->start = aligned_alloc(256, (bytes + 255) / 256 * 256);
    memset(piece->start, 0xff, bytes);
    piece->next = current->pieces;
    current->pieces = piece;
    current->used += bytes;
    left[PIECES]++;
    *address = (uint64_t)piece->start;
    return SUCCESS;
}

int cuMemFree_v2(uint64_t address) {
    HERE;
    int result = wait_for_all(current);
    if (result != SUCCESS) return result;
    for (Piece** piece = &current->pieces; *piece; piece = &(*piece)->next) {
        if ((uint64_t)(*piece)->start != address) continue;
        Piece* gone = *piece;
        *piece = gone->next;
        current->used -= gone->bytes;
        left[PIECES]--;
        free(gone->start);
        free(gone);
        return SUCCESS;
    }
    complain("what was not allocated is freed");
    return INVALID_VALUE;
}

/* The size stands before what is given out. */
enum { BEFORE_PINNED = 256 };

int cuMemHostAlloc(void** address, size_t bytes, unsigned flags) {
    HERE;
    if (!bytes || flags) return INVALID_VALUE;
    char* start = aligned_alloc(256, BEFORE_PINNED + (bytes + 255) / 256 * 256);
    memset(start, 0xff, BEFORE_PINNED + bytes);
    *(size_t*)start = bytes;
    left[PINNED]++;
    *address = start + BEFORE_PINNED;
    return SUCCESS;
}

int cuMemFreeHost(void* address) {
    HERE;
    char* start = address;
    size_t bytes = *(size_t*)(start - BEFORE_PINNED);
    for (Stream* stream = streams; stream; stream = stream->next)
        for (Work* work = stream->queue.first; work; work = work->next) {
            const char* host = work->kind == TO_DEVICE ? work->copy.from : work->kind == TO_HOST ? work->copy.to : NULL;
            if (host && host >= start && host < start + bytes) complain("pinned memory is freed that a copy still uses");
        }
    left[PINNED]--;
    free(start - BEFORE_PINNED);
    return SUCCESS;
}

int cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, Stream* stream) {
    OWN(stream);
    Work work = {.kind = TO_DEVICE, .copy = {(void*)to, from, bytes}};
    enqueue(stream, &work);
    return SUCCESS;
}

int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, Stream* stream) {
    OWN(stream);
    Work work = {.kind = TO_HOST, .copy = {to, (const void*)from, bytes}};
    enqueue(stream, &work);
    return SUCCESS;
}

/* Streams and graphs. */

int cuStreamCreate(Stream** stream, unsigned flags) {
    (void)flags;
    HERE;
    *stream = calloc(1, sizeof **stream);
    (*stream)->context = current;
    (*stream)->next = streams;
    left[STREAMS]++;
    streams = *stream;
    return SUCCESS;
}

int cuStreamSynchronize(Stream* stream) {
    OWN(stream);
    if (stream->recorded) {
        stream->broken = 1;
        return CAPTURE_UNSUPPORTED;
    }
    return work_off(stream);
}

/* Events: whoever waits for one waits for its stream, which is as good. */

int cuEventCreate(Event** event, unsigned flags) {
    HERE;
    if (flags != 3) return INVALID_VALUE;
    *event = calloc(1, sizeof **event);
    (*event)->context = current;
    left[EVENTS]++;
    return SUCCESS;
}

int cuEventRecord(Event* event, Stream* stream) {
    OWN(stream);
    if (event->context != current || stream->recorded) return INVALID_HANDLE;
    event->stream = stream;
    return SUCCESS;
}

int cuEventSynchronize(Event* event) {
    HERE;
    return event->stream ? work_off(event->stream) : SUCCESS;
}

int cuEventDestroy_v2(Event* event) {
    LOCKED;
    left[EVENTS]--;
    free(event);
    return SUCCESS;
}

int cuStreamDestroy_v2(Stream* stream) {
    OWN(stream);
    int result = work_off(stream);
    Stream** place = &streams;
    while (*place != stream) place = &(*place)->next;
    *place = stream->next;
    left[STREAMS]--;
    free(stream);
    return result;
}

int cuStreamBeginCapture_v2(Stream* stream, int mode) {
    OWN(stream);
    if (stream->recorded || mode < 0 || mode > 2) return INVALID_VALUE;
    stream->recorded = calloc(1, sizeof *stream->recorded);
    stream->recorder = pthread_self();
    stream->broken = 0;
    return SUCCESS;
}

int cuStreamEndCapture(Stream* stream, Graph** graph) {
    OWN(stream);
    if (!stream->recorded) return INVALID_VALUE;
    *graph = NULL;
    if (stream->broken) {
        clear(stream->recorded);
    } else {
        *graph = calloc(1, sizeof **graph);
        (*graph)->context = stream->context;
        (*graph)->queue = *stream->recorded;
        left[GRAPHS]++;
    }
    free(stream->recorded);
    stream->recorded = NULL;
    return stream->broken ? CAPTURE_INVALIDATED : SUCCESS;
}

int cuGraphInstantiateWithFlags(Graph** ready, Graph* graph, unsigned long long flags) {
    HERE;
    if (!graph || flags) return INVALID_VALUE;
    *ready = calloc(1, sizeof **ready);
    (*ready)->context = graph->context;
    left[GRAPHS]++;
    for (Work* work = graph->queue.first; work; work = work->next) append(&(*ready)->queue, work);
    return SUCCESS;
}

int cuGraphDestroy(Graph* graph) {
    LOCKED;
    if (!graph) return INVALID_VALUE;
    clear(&graph->queue);
    left[GRAPHS]--;
    free(graph);
    return SUCCESS;
}

int cuGraphExecDestroy(Graph* ready) { return cuGraphDestroy(ready); }

int cuGraphLaunch(Graph* ready, Stream* stream) {
    OWN(stream);
    if (ready->context != stream->context || stream->recorded) return INVALID_VALUE;
    for (Work* work = ready->queue.first; work; work = work->next) {
        Work own = *work;
        own.of_graph = 1;
        append(&stream->queue, &own);
    }
    return SUCCESS;
}

/* Kernels. A function is the number of its kernel and one. */

int cuModuleLoadData(void** module, const void* image) {
    (void)image;
    HERE;
    if (setting("REHEARSAL_VERSION", 13000) < 13000) return UNSUPPORTED_PTX_VERSION;
    if (current->modules++) complain("device %d has the kernels already", current->device);
    *module = malloc(1);
    return SUCCESS;
}

int cuModuleGetFunction(void** function, void* module, const char* name) {
    (void)module;
    for (size_t kernel = 0; kernel < sizeof kernels / sizeof *kernels; kernel++) {
        if (strcmp(kernels[kernel].name, name)) continue;
        *function = (void*)(kernel + 1);
        return SUCCESS;
    }
    return NOT_FOUND;
}

int cuLaunchKernel(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
                   unsigned block_z, unsigned shared, Stream* stream, void** arguments, void** extra) {
    OWN(stream);
    size_t kernel = (size_t)function - 1;
    if (kernel >= sizeof kernels / sizeof *kernels || extra || shared) return INVALID_VALUE;
    if (!grid_x || grid_y != 1 || grid_z != 1 || !block_x || block_x > THREADS || block_y != 1 || block_z != 1)
        return INVALID_VALUE;
    Work work = {.kind = LAUNCH, .launch = {(int)kernel, grid_x, block_x, {0}}};
    for (int i = 0; i < kernels[kernel].arguments; i++) memcpy(&work.launch.arguments[i], arguments[i], 8);
    enqueue(stream, &work);
    return SUCCESS;
}

/* cuBLAS: matrices column after column. */

int cublasCreate_v2(Blas** handle) {
    LOCKED;
    if (!current || current->lost) return BLAS_NOT_INITIALISED;
    left[HANDLES]++;
    *handle = calloc(1, sizeof **handle);
    return SUCCESS;
}

int cublasDestroy_v2(Blas* handle) {
    LOCKED;
    int result = !current ? INVALID_CONTEXT : current->lost ? current->lost : wait_for_all(current);
    left[HANDLES]--;
    free(handle);
    return result == SUCCESS ? SUCCESS : BLAS_EXECUTION_FAILED;
}

int cublasSetStream_v2(Blas* handle, Stream* stream) {
    handle->stream = stream;
    return SUCCESS;
}

int cublasSetWorkspace_v2(Blas* handle, void* workspace, size_t bytes) {
    LOCKED;
    (void)handle;
    return owned(current, workspace, bytes) ? SUCCESS : BLAS_INVALID_VALUE;
}

int cublasSetMathMode(Blas* handle, int mode) {
    LOCKED;
    if (mode != 0 && mode != 3) return BLAS_INVALID_VALUE;
    handle->mode = mode;
    return SUCCESS;
}

int cublasSgemmStridedBatched(Blas* handle, int at, int bt, int m, int n, int k, const float* alpha, const float* a, int lda,
                              long long astride, const float* b, int ldb, long long bstride, const float* beta, float* c,
                              int ldc, long long cstride, int count) {
    LOCKED;
    if (!current || current->lost || !handle->stream || handle->stream->context != current) return BLAS_EXECUTION_FAILED;
    int fits = lda >= (at ? k : m) && ldb >= (bt ? n : k) && ldc >= m;
    if (m < 1 || n < 1 || k < 1 || count < 1 || !fits) {
        complain("cuBLAS: op(A) %d x %d, op(B) %d x %d, leading dimensions %d, %d, %d", m, k, k, n, lda, ldb, ldc);
        return BLAS_INVALID_VALUE;
    }
    Work work = {
        .kind = PRODUCT,
        .product = {handle->mode == 3, at, bt, m, n, k, lda, ldb, ldc, count, astride, bstride, cstride, *alpha, *beta, a, b, c},
    };
    enqueue(handle->stream, &work);
    return SUCCESS;
}

int cublasSgemm_v2(Blas* handle, int at, int bt, int m, int n, int k, const float* alpha, const float* a, int lda,
                   const float* b, int ldb, const float* beta, float* c, int ldc) {
    return cublasSgemmStridedBatched(handle, at, bt, m, n, k, alpha, a, lda, 0, b, ldb, 0, beta, c, ldc, 0, 1);
}
