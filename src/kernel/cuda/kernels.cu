// The kernels of one training step and of evaluation. Rows are row-major: a batch of x is [rows, features]. What belongs to both
// networks of a coupling stands together, s before t: [2, rows, columns]. `values` is the flat vector of parameters, and what is
// called an offset counts floats in it. No kernel uses atomics: the same inputs give the same bits.
//
// It is C, so that tests can compile it for the CPU, thread by thread.

#ifndef KERNEL
#define KERNEL extern "C" __global__
#endif

typedef unsigned long long offset_t;

// The state of a stretch of steps.
typedef struct {
    // Steps done in this stretch.
    unsigned step;
    // Set at the first loss or norm that is not finite; nothing is changed from there on.
    unsigned diverged;
    // What the gradient of the step is multiplied by.
    float clip;
    unsigned unused;
} Control;

// A place in a row where a kernel also writes for the next coupling's networks: slot[feature] is the place among its kept features,
// or -1. Without a coupling to come, slot is null.
__device__ static void keep(const int* slot, int kept, float* kept_rows, long long row, int feature, float value) {
    if (slot != NULL && slot[feature] >= 0) {
        kept_rows[row * kept + slot[feature]] = value;
    }
}

__device__ static long long thread_number(void) {
    return (long long)blockIdx.x * blockDim.x + threadIdx.x;
}

// The sum over groups of `lanes` (a power of two, at most 32) neighbouring threads, in all of them.
__device__ static float group_sum(float value, int lanes) {
    for (int apart = lanes / 2; apart > 0; apart /= 2) {
        value += __shfl_xor_sync(0xffffffffu, value, apart);
    }
    return value;
}

// The sum over the block's 256 threads, in all of them.
__device__ static double block_sum(double value) {
    __shared__ double sums[256];
    __syncthreads();
    sums[threadIdx.x] = value;
    for (unsigned apart = 128; apart > 0; apart /= 2) {
        __syncthreads();
        if (threadIdx.x < apart) {
            sums[threadIdx.x] += sums[threadIdx.x + apart];
        }
    }
    __syncthreads();
    return sums[0];
}

// Brings the rows of a step to x: those at `places`, or, where it is null, the next ones. Starts log_det.
KERNEL void draw(const float* from, const unsigned* places, const Control* control, float* x, float* log_det,
                                const int* slot, int kept, float* kept_rows, int rows, int features) {
    const long long at = thread_number();
    if (at >= (long long)rows * features) return;
    const long long row = at / features;
    const int feature = (int)(at % features);
    const long long number = (long long)control->step * rows + row;
    const long long source = places == NULL ? number : places[number];
    const float value = from[source * features + feature];
    x[at] = value;
    keep(slot, kept, kept_rows, row, feature, value);
    if (feature == 0) {
        log_det[row] = 0.0f;
    }
}

// at modulo columns; in 32 bits where they are enough, which is several times as fast.
__device__ static int column_of(long long at, int columns) {
    return (int)(at < (1LL << 31) ? (unsigned)at % (unsigned)columns : at % columns);
}

__device__ static float activation(float v, int is_tanh) {
    // Not a number stays what it is.
    return is_tanh ? tanhf(v) : (v < 0.0f ? 0.0f : v);
}

// The slope where the activation gave h.
__device__ static float activation_slope(float h, int is_tanh) {
    return is_tanh ? 1.0f - h * h : (h > 0.0f ? 1.0f : 0.0f);
}

// h = activation(h + bias), h of shape [2, rows, width].
KERNEL void activate(float* h, const float* values, offset_t bias_s, offset_t bias_t, int rows, int width, int is_tanh) {
    const long long at = thread_number();
    const long long half = (long long)rows * width;
    if (at >= 2 * half) return;
    h[at] = activation(h[at] + values[(at < half ? bias_s : bias_t) + column_of(at, width)], is_tanh);
}

// The gradient before an activation, in place of the one behind it, d; h: what the activation gave.
KERNEL void activate_back(const float* h, float* d, long long count, int is_tanh) {
    const long long at = thread_number();
    if (at >= count) return;
    d[at] = activation_slope(h[at], is_tanh) * d[at];
}

// The affine coupling, x to z or back; x and z may be the same. out, [2, rows, changed]: s before tanh and t, both without their
// biases; it leaves tanh and e^s (back: e^-s). Without networks (nothing is kept) biases stand alone.
// role[feature]: its place among the changed features, or -1. `lanes` threads share a row.
KERNEL void couple(float* out, const float* values, offset_t bias_s, offset_t bias_t, offset_t scale, const float* x,
                                  float* z, float* log_det, const int* role, const int* slot, int kept, float* kept_rows, int rows,
                                  int features, int changed, int has_networks, int is_inverse, int lanes) {
    const long long thread = thread_number();
    const long long row = thread / lanes;
    const long long half = (long long)rows * changed;
    float total = 0.0f;
    if (row < rows) {
        for (int feature = (int)(thread % lanes); feature < features; feature += lanes) {
            float value = x[row * features + feature];
            const int j = role[feature];
            if (j >= 0) {
                const long long at = row * changed + j;
                const float before = (has_networks ? out[at] : 0.0f) + values[bias_s + j];
                const float t = (has_networks ? out[half + at] : 0.0f) + values[bias_t + j];
                const float bounded = tanhf(before);
                const float s = values[scale + j] * bounded;
                const float factor = expf(is_inverse ? -s : s);
                value = is_inverse ? (value - t) * factor : value * factor + t;
                total += s;
                out[at] = bounded;
                out[half + at] = factor;
            }
            z[row * features + feature] = value;
            keep(slot, kept, kept_rows, row, feature, value);
        }
    }
    total = group_sum(total, lanes);
    if (row < rows && thread % lanes == 0 && !is_inverse) {
        log_det[row] += total;
    }
}

// The gradient with respect to a layer's output, with what the networks of the coupling above found for its kept features.
__device__ static float gather(const float* d, const int* slot, int kept, const float* d_kept, long long row, int feature, int rows,
                               int features) {
    float value = d[row * features + feature];
    if (slot != NULL && slot[feature] >= 0) {
        const long long at = row * kept + slot[feature];
        value += d_kept[at] + d_kept[(long long)rows * kept + at];
    }
    return value;
}

// The way back through `couple`, up to its networks: d becomes the gradient with respect to x, but for what the networks add; out
// becomes the gradients of s before tanh and of t; product, [rows, changed], is to be summed over rows to the gradient of scale.
// The loss has -per_row a unit of s.
KERNEL void couple_back(float* out, const float* values, offset_t scale, const float* x, float* d, float* product,
                                       const int* role, const int* slot, int kept, const float* d_kept, float per_row, int rows,
                                       int features, int changed) {
    const long long at = thread_number();
    if (at >= (long long)rows * features) return;
    const long long row = at / features;
    const int feature = (int)(at % features);
    float value = gather(d, slot, kept, d_kept, row, feature, rows, features);
    const int j = role[feature];
    if (j >= 0) {
        float* s = out + row * changed + j;
        float* t = s + (long long)rows * changed;
        const float bounded = *s;
        const float d_t = value;
        value *= *t;
        const float d_s = value * x[at] - per_row;
        product[row * changed + j] = d_s * bounded;
        *s = d_s * values[scale + j] * (1.0f - bounded * bounded);
        *t = d_t;
    }
    d[at] = value;
}

// Batch normalisation with the batch's statistics, a block of 256 threads a feature. normal: the rows before log_gamma and beta.
// term[feature]: its part of log_det, the same for all rows.
KERNEL void normalise(const float* x, float* normal, float* z, float* values, offset_t log_gamma, offset_t beta,
                                     offset_t running_mean, offset_t running_variance, double* inverse_deviation, double* term,
                                     const Control* control, const int* slot, int kept, float* kept_rows, int rows, int features,
                                     double epsilon, double momentum) {
    const int feature = blockIdx.x;
    double sum = 0.0;
    for (long long row = threadIdx.x; row < rows; row += blockDim.x) {
        sum += x[row * features + feature];
    }
    const double mean = block_sum(sum) / rows;
    sum = 0.0;
    for (long long row = threadIdx.x; row < rows; row += blockDim.x) {
        const double centred = x[row * features + feature] - mean;
        sum += centred * centred;
    }
    const double variance = block_sum(sum) / rows;
    const double inverse = 1.0 / sqrt(variance + epsilon);
    if (threadIdx.x == 0) {
        if (!control->diverged) {
            float* m = values + running_mean + feature;
            float* v = values + running_variance + feature;
            *m = (float)((1.0 - momentum) * *m + momentum * mean);
            *v = (float)((1.0 - momentum) * *v + momentum * variance);
        }
        inverse_deviation[feature] = inverse;
        term[feature] = values[log_gamma + feature] + log(inverse);
    }
    const float gamma = expf(values[log_gamma + feature]);
    const float shift = values[beta + feature];
    for (long long row = threadIdx.x; row < rows; row += blockDim.x) {
        const long long at = row * features + feature;
        const float centred = (float)((x[at] - mean) * inverse);
        normal[at] = centred;
        const float value = centred * gamma + shift;
        z[at] = value;
        keep(slot, kept, kept_rows, row, feature, value);
    }
}

// The way back through `normalise`: d, and the gradients of log_gamma and beta.
KERNEL void normalise_back(const float* normal, float* d, const float* values, float* gradient, offset_t log_gamma,
                                          offset_t beta, const double* inverse_deviation, const int* slot, int kept,
                                          const float* d_kept, int rows, int features) {
    const int feature = blockIdx.x;
    double sum = 0.0, product = 0.0;
    for (long long row = threadIdx.x; row < rows; row += blockDim.x) {
        const long long at = row * features + feature;
        const float value = gather(d, slot, kept, d_kept, row, feature, rows, features);
        d[at] = value;
        sum += value;
        product += (double)value * normal[at];
    }
    const double d_beta = block_sum(sum);
    const double d_gamma = block_sum(product);
    const double gamma = exp((double)values[log_gamma + feature]);
    if (threadIdx.x == 0) {
        gradient[log_gamma + feature] = (float)(gamma * d_gamma - 1.0);
        gradient[beta + feature] = (float)d_beta;
    }
    for (long long row = threadIdx.x; row < rows; row += blockDim.x) {
        const long long at = row * features + feature;
        const double centred = normal[at];
        const double through = gamma * (d[at] - d_beta / rows - centred * d_gamma / rows);
        // The last term: -ln of the deviation stands in the loss, and the deviation depends on every row.
        d[at] = (float)(inverse_deviation[feature] * (through + centred / rows));
    }
}

// Batch normalisation with the running statistics, x to z or back; x and z may be the same. `lanes` threads share a row.
KERNEL void normalise_running(const float* x, float* z, const float* values, offset_t log_gamma, offset_t beta,
                                             offset_t running_mean, offset_t running_variance, float* log_det, const int* slot,
                                             int kept, float* kept_rows, int rows, int features, double epsilon, int is_inverse,
                                             int lanes) {
    const long long thread = thread_number();
    const long long row = thread / lanes;
    float total = 0.0f;
    if (row < rows) {
        for (int feature = (int)(thread % lanes); feature < features; feature += lanes) {
            const double log_scale = values[log_gamma + feature] - 0.5 * log(values[running_variance + feature] + epsilon);
            const double mean = values[running_mean + feature], shift = values[beta + feature];
            const double before = x[row * features + feature];
            const double after = is_inverse ? (before - shift) * exp(-log_scale) + mean : (before - mean) * exp(log_scale) + shift;
            const float value = (float)after;
            z[row * features + feature] = value;
            total += (float)log_scale;
            keep(slot, kept, kept_rows, row, feature, value);
        }
    }
    total = group_sum(total, lanes);
    if (row < rows && thread % lanes == 0 && !is_inverse) {
        log_det[row] += total;
    }
}

// The rows' parts of the loss, |z|^2 / 2 - log_det, and its gradient with respect to z.
KERNEL void lose(const float* z, const float* log_det, float* d, double* row_loss, float per_row, int rows,
                                int features, int lanes) {
    const long long thread = thread_number();
    const long long row = thread / lanes;
    float total = 0.0f;
    if (row < rows) {
        for (int feature = (int)(thread % lanes); feature < features; feature += lanes) {
            const float value = z[row * features + feature];
            total += 0.5f * value * value;
            d[row * features + feature] = value * per_row;
        }
    }
    total = group_sum(total, lanes);
    if (row < rows && thread % lanes == 0) {
        row_loss[row] = (double)total - log_det[row];
    }
}

// At most 32 neighbouring columns to be summed over rows.
typedef struct {
    const float* from;
    float* to;
    int stride;
    int count;
} Columns;

// A block of 256 threads an entry of the table.
KERNEL void column_sums(const Columns* table, int rows) {
    __shared__ float sums[256];
    const Columns columns = table[blockIdx.x];
    const int column = threadIdx.x % 32;
    float sum = 0.0f;
    if (column < columns.count) {
        for (long long row = threadIdx.x / 32; row < rows; row += 8) {
            sum += columns.from[row * columns.stride + column];
        }
    }
    sums[threadIdx.x] = sum;
    __syncthreads();
    if ((int)threadIdx.x < columns.count) {
        for (int part = 1; part < 8; part++) {
            sum += sums[part * 32 + threadIdx.x];
        }
        columns.to[threadIdx.x] = sum;
    }
}

// A sum of squares a block of 256 threads.
KERNEL void squares(const float* gradient, long long count, double* partial) {
    double sum = 0.0;
    for (long long at = thread_number(); at < count; at += (long long)gridDim.x * blockDim.x) {
        sum += (double)gradient[at] * gradient[at];
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) {
        partial[blockIdx.x] = sum;
    }
}

// The loss and the norm of a step, one block of 256 threads; what the update needs to know; the next step begins.
KERNEL void finish(const double* partial, int partials, const double* row_loss, int rows, const double* term,
                                  int terms, double constant, double clip_norm, double* losses, Control* control) {
    double squared = 0.0, loss = 0.0, log_det = 0.0;
    for (int at = threadIdx.x; at < partials; at += blockDim.x) squared += partial[at];
    for (int at = threadIdx.x; at < rows; at += blockDim.x) loss += row_loss[at];
    for (int at = threadIdx.x; at < terms; at += blockDim.x) log_det += term[at];
    const double norm = sqrt(block_sum(squared));
    const double nll = block_sum(loss) / rows - block_sum(log_det) + constant;
    if (threadIdx.x == 0 && !control->diverged) {
        losses[2 * control->step] = nll;
        losses[2 * control->step + 1] = norm;
        control->diverged = !(isfinite(nll) && isfinite(norm));
        control->clip = clip_norm > 0.0 && norm > clip_norm ? (float)(clip_norm / norm) : 1.0f;
        if (!control->diverged) {
            control->step += 1;
        }
    }
}

// What changes from update to update: learning rate, Adam's bias corrections.
typedef struct {
    float rate;
    float correction_first;
    float correction_second;
} Constants;

// An optimizer, as on the CPU. rule: 0 Adam, 1 AdamW (a, b: betas, c: epsilon), 2 SGD (a: momentum), 3 RMSprop (a: alpha,
// b: epsilon, c: momentum).
typedef struct {
    float* first;
    float* second;
    int rule;
    float a, b, c;
    float weight_decay;
} Rule;

__device__ static void update_value(float* values, long long at, float g, Rule rule, Constants now) {
    const float p = values[at];
    if (rule.rule <= 1) {
        g += rule.rule == 0 ? rule.weight_decay * p : 0.0f;
        const float m = rule.first[at] + (1.0f - rule.a) * (g - rule.first[at]);
        const float v = rule.second[at] + (1.0f - rule.b) * (g * g - rule.second[at]);
        rule.first[at] = m;
        rule.second[at] = v;
        const float shrunk = rule.rule == 1 ? p * (1.0f - now.rate * rule.weight_decay) : p;
        values[at] = shrunk - now.rate / now.correction_first * m / (sqrtf(v) / now.correction_second + rule.c);
    } else if (rule.rule == 2) {
        const float m = rule.a * rule.first[at] + (g + rule.weight_decay * p);
        rule.first[at] = m;
        values[at] = p - now.rate * m;
    } else {
        g += rule.weight_decay * p;
        const float s = rule.first[at] + (1.0f - rule.a) * (g * g - rule.first[at]);
        const float v = rule.c * rule.second[at] + g / (sqrtf(s) + rule.b);
        rule.first[at] = s;
        rule.second[at] = v;
        values[at] = p - now.rate * v;
    }
}

KERNEL void update(float* values, const float* gradient, float* first, float* second, long long count, int rule, float a,
                                  float b, float c, float weight_decay, const Constants* constants, const Control* control) {
    const long long at = thread_number();
    if (at >= count || control->diverged) return;
    const Rule all = {first, second, rule, a, b, c, weight_decay};
    update_value(values, at, gradient[at] * control->clip, all, constants[control->step - 1]);
}

// From here on: a whole step in three launches, for flows of couplings whose weights a multiprocessor reads quickly. `pass_*` takes
// rows through the flow and back, a few rows a block; `weight_gradients` sums over rows; `advance` finishes and updates.

// Four floats that stand together.
typedef struct {
    float v[4];
} __attribute__((aligned(16))) Four;

__device__ static Four four(const float* from) {
    return *(const Four*)from;
}

// Threads of a block.
enum { BLOCK_THREADS = 256 };

// What `pass_*` needs to know. Sizes are whole pieces of four floats; `kept`, `width` and `changed` are those of every coupling.
// Arrays of activations stand depth after depth, coupling after coupling, s before t, row after row.
typedef struct {
    const float* values;
    // The rows of a step, as for `draw`.
    const float* from;
    const unsigned* places;
    const Control* control;
    // The rows before every coupling, [couplings, rows, features], and what its networks read of them, [couplings, rows, kept].
    float* x;
    float* inputs;
    // Hidden layers and the gradients with respect to what is before their activation, [hidden layers, couplings, 2, rows, width].
    float* hidden;
    float* d_hidden;
    // tanh and e^s, then the gradients of s before tanh and of t, each [couplings, 2, rows, changed].
    float* out;
    float* d_out;
    // To be summed over rows to the gradients of scales, [couplings, rows, changed].
    float* product;
    double* row_loss;
    // Of every coupling and feature: its place among the kept and among the changed ones, or -1.
    const int* slot;
    const int* role;
    offset_t scale;
    float per_row;
    int rows, features, couplings, hidden_layers, kept, width, changed, is_tanh;
} Pass;

// Offset of the first map of a depth: 0 reads rows, `hidden_layers` gives s and t.
__device__ static offset_t map_offset(const Pass* pass, int depth) {
    if (depth == 0) return 0;
    const offset_t first = (offset_t)(pass->kept + 1) * pass->width, between = (offset_t)(pass->width + 1) * pass->width;
    return 2 * pass->couplings * (first + (depth - 1) * between);
}

// Rows of a block in shared memory: values of a network's layer, [2, R, stride], and room for what threads add up.
typedef struct {
    float* in;
    float* out;
    float* room;
    int stride;
} Shared;

// out[net][r] = in[net][r] * weights[net], for both networks and R rows. in_net: floats from what s reads to what t reads.
// room: R * 4 * BLOCK_THREADS floats. The sums stand in `out` when all threads have met.
__device__ static __forceinline__ void multiply(const int R, Shared shared, int in_net, int inputs, const float* weights, int outputs) {
    const int thread = threadIdx.x, per_net = outputs / 4, groups = 2 * per_net;
    // Threads that share columns split the sum.
    int parts = BLOCK_THREADS / groups;
    parts = parts < inputs ? parts : inputs;
    parts = parts < 32 ? parts : 32;
    const int group = thread % groups, part = thread / groups;
    if (part < parts) {
        const int net = group / per_net, column = 4 * (group % per_net);
        const float* from = weights + (long long)net * (inputs + 1) * outputs + column;
        const float* read = shared.in + net * in_net;
        Four sums[8];
#pragma unroll
        for (int r = 0; r < R; r++) {
#pragma unroll
            for (int j = 0; j < 4; j++) sums[r].v[j] = 0.0f;
        }
#pragma unroll 8
        for (int k = part; k < inputs; k += parts) {
            const Four w = four(from + (long long)k * outputs);
#pragma unroll
            for (int r = 0; r < R; r++) {
                const float h = read[r * shared.stride + k];
#pragma unroll
                for (int j = 0; j < 4; j++) sums[r].v[j] += h * w.v[j];
            }
        }
#pragma unroll
        for (int r = 0; r < R; r++) *(Four*)(shared.room + ((part * R + r) * groups + group) * 4) = sums[r];
    }
    __syncthreads();
    const int columns = 2 * outputs;
    for (int at = thread; at < R * columns; at += BLOCK_THREADS) {
        const int r = at / columns, column = at % columns;
        float sum = 0.0f;
#pragma unroll 8
        for (int p = 0; p < parts; p++) sum += shared.room[(p * R + r) * columns + column];
        shared.out[(column / outputs * R + r) * shared.stride + column % outputs] = sum;
    }
}

#ifndef GROUP_SUMS
// The sums over groups of `lanes` (a power of two, at most 32) neighbouring threads of each of `count` values, in all of them.
__device__ static __forceinline__ void group_sums(float* values, const int count, int lanes) {
#pragma unroll
    for (int i = 0; i < count; i++) values[i] = group_sum(values[i], lanes);
}
#endif

// out[net][r] = in[net][r] * weights[net] transposed, from the outputs of a map to its inputs, each times the slope where the
// activation gave h: [2, rows, inputs] from this block's first row on, of which `valid` are there; null: no activation.
__device__ static __forceinline__ void multiply_back(const int R, Shared shared, int inputs, const float* weights, int outputs,
                                                     const float* h, long long h_net, int valid, int is_tanh) {
    enum { AT_ONCE = 4 };
    const int per_row = outputs / 4;
    // Neighbouring threads share a row of the weights.
    int lanes = 1;
    while (lanes < per_row && lanes < 32) lanes *= 2;
    const int lane = threadIdx.x % lanes, teams = BLOCK_THREADS / lanes, team = threadIdx.x / lanes;
    for (int start = 0; start < 2 * inputs; start += AT_ONCE * teams) {
        float sums[AT_ONCE * 8], slopes[AT_ONCE];
#pragma unroll
        for (int i = 0; i < AT_ONCE; i++) {
            const int item = start + i * teams + team, net = item / inputs, k = item % inputs;
            slopes[i] = 1.0f;
#pragma unroll
            for (int r = 0; r < R; r++) sums[i * R + r] = 0.0f;
            if (item < 2 * inputs) {
                if (h != NULL && lanes >= R && lane < valid && lane < R) {
                    slopes[i] = activation_slope(h[net * h_net + (long long)lane * inputs + k], is_tanh);
                }
                const float* from = weights + ((long long)net * (inputs + 1) + k) * outputs;
                for (int n = lane; n < per_row; n += lanes) {
                    const Four w = four(from + 4 * n);
#pragma unroll
                    for (int r = 0; r < R; r++) {
                        const Four d = *(const Four*)(shared.in + (net * R + r) * shared.stride + 4 * n);
#pragma unroll
                        for (int j = 0; j < 4; j++) sums[i * R + r] += d.v[j] * w.v[j];
                    }
                }
            }
        }
        group_sums(sums, AT_ONCE * R, lanes);
#pragma unroll
        for (int i = 0; i < AT_ONCE; i++) {
            const int item = start + i * teams + team, net = item / inputs, k = item % inputs;
            if (item < 2 * inputs) {
#pragma unroll
                for (int r = 0; r < R; r++) {
                    if (r % lanes != lane) continue;
                    float slope = slopes[i];
                    if (h != NULL && lanes < R && r < valid) {
                        slope = activation_slope(h[net * h_net + (long long)r * inputs + k], is_tanh);
                    }
                    shared.out[(net * R + r) * shared.stride + k] = slope * sums[i * R + r];
                }
            }
        }
    }
}

// Takes the R rows of a block, R a number known when compiled, through the flow and back. room: see `pass_*`.
__device__ static __forceinline__ void pass_together(const int R, const Pass* all, float* room) {
    const Pass pass = *all;
    const int thread = threadIdx.x, features = pass.features, width = pass.width, kept = pass.kept, changed = pass.changed;
    const long long first = (long long)blockIdx.x * R, rows = pass.rows;
    const int valid = rows - first < R ? (int)(rows - first) : R;
    Shared shared;
    shared.stride = width > kept ? width : kept;
    shared.stride = shared.stride > changed ? shared.stride : changed;
    shared.room = room;
    shared.in = room + R * 4 * BLOCK_THREADS;
    shared.out = shared.in + 2 * R * shared.stride;
    // The rows, their gradients, and s.
    float* x = shared.out + 2 * R * shared.stride;
    float* d = x + R * features;
    float* s = d + R * features;
    float* log_det = s + R * changed;
    const long long half = rows * changed;

    for (int at = thread; at < R * features; at += BLOCK_THREADS) {
        const int r = at / features;
        float value = 0.0f;
        if (r < valid) {
            const long long number = (long long)pass.control->step * rows + first + r;
            value = pass.from[(pass.places == NULL ? number : pass.places[number]) * features + at % features];
        }
        x[at] = value;
    }
    if (thread < R) log_det[thread] = 0.0f;
    __syncthreads();

    for (int c = 0; c < pass.couplings; c++) {
        const int* slot = pass.slot + c * features;
        const int* role = pass.role + c * features;
        // Places that stand for nothing are zero.
        for (int at = thread; at < R * kept; at += BLOCK_THREADS) shared.in[at / kept * shared.stride + at % kept] = 0.0f;
        __syncthreads();
        for (int at = thread; at < R * changed; at += BLOCK_THREADS) s[at] = 0.0f;
        for (int at = thread; at < R * features; at += BLOCK_THREADS) {
            const int r = at / features, feature = at % features;
            if (slot[feature] >= 0) shared.in[r * shared.stride + slot[feature]] = x[at];
            if (r < valid) pass.x[(c * rows + first) * features + at] = x[at];
        }
        __syncthreads();
        for (int at = thread; at < valid * kept; at += BLOCK_THREADS) {
            pass.inputs[(c * rows + first) * kept + at] = shared.in[at / kept * shared.stride + at % kept];
        }
        for (int depth = 0; depth <= pass.hidden_layers; depth++) {
            const int inputs = depth == 0 ? kept : width, outputs = depth == pass.hidden_layers ? changed : width;
            const long long stride = (long long)(inputs + 1) * outputs;
            const float* weights = pass.values + map_offset(&pass, depth) + 2 * c * stride;
            multiply(R, shared, depth == 0 ? 0 : R * shared.stride, inputs, weights, outputs);
            if (depth < pass.hidden_layers) {
                // Each thread meets the sums that it wrote itself.
                float* hidden = pass.hidden + ((long long)(depth * pass.couplings + c) * 2 * rows + first) * width;
                const int columns = 2 * outputs;
                for (int at = thread; at < R * columns; at += BLOCK_THREADS) {
                    const int r = at / columns, net = at % columns / outputs, column = at % outputs;
                    float* value = shared.out + (net * R + r) * shared.stride + column;
                    const float bias = weights[net * stride + (long long)inputs * outputs + column];
                    *value = activation(*value + bias, pass.is_tanh);
                    if (r < valid) hidden[(net * rows + r) * width + column] = *value;
                }
                float* other = shared.in;
                shared.in = shared.out;
                shared.out = other;
            }
            __syncthreads();
        }
        const long long last = (long long)(width + 1) * changed;
        const float* bias = pass.values + map_offset(&pass, pass.hidden_layers) + 2 * c * last + (long long)width * changed;
        const float* scale = pass.values + pass.scale + c * changed;
        for (int at = thread; at < R * features; at += BLOCK_THREADS) {
            const int r = at / features, j = role[at % features];
            if (j < 0) continue;
            const float bounded = tanhf(shared.out[r * shared.stride + j] + bias[j]);
            const float t = shared.out[(R + r) * shared.stride + j] + bias[last + j];
            const float bounded_s = scale[j] * bounded, factor = expf(bounded_s);
            x[at] = x[at] * factor + t;
            s[r * changed + j] = bounded_s;
            if (r < valid) {
                const long long place = (2 * c * rows + first + r) * changed + j;
                pass.out[place] = bounded;
                pass.out[place + half] = factor;
            }
        }
        __syncthreads();
        if (thread < R) {
            float total = 0.0f;
            for (int j = 0; j < changed; j++) total += s[thread * changed + j];
            log_det[thread] += total;
        }
    }
    __syncthreads();

    for (int at = thread; at < R * features; at += BLOCK_THREADS) d[at] = at / features < valid ? x[at] * pass.per_row : 0.0f;
    if (thread < valid) {
        float total = 0.0f;
        for (int feature = 0; feature < features; feature++) {
            const float value = x[thread * features + feature];
            total += 0.5f * value * value;
        }
        pass.row_loss[first + thread] = (double)total - log_det[thread];
    }
    __syncthreads();

    for (int c = pass.couplings - 1; c >= 0; c--) {
        const int* slot = pass.slot + c * features;
        const int* role = pass.role + c * features;
        const float* scale = pass.values + pass.scale + c * changed;
        for (int at = thread; at < 2 * R * changed; at += BLOCK_THREADS) shared.in[at / changed * shared.stride + at % changed] = 0.0f;
        __syncthreads();
        for (int at = thread; at < R * features; at += BLOCK_THREADS) {
            const int r = at / features, j = role[at % features];
            if (j < 0 || r >= valid) continue;
            const long long place = (2 * c * rows + first + r) * changed + j;
            const float bounded = pass.out[place];
            const float d_t = d[at], d_s = d_t * pass.out[place + half] * pass.x[(c * rows + first) * features + at] - pass.per_row;
            d[at] = d_t * pass.out[place + half];
            pass.product[(c * rows + first + r) * changed + j] = d_s * bounded;
            shared.in[r * shared.stride + j] = d_s * scale[j] * (1.0f - bounded * bounded);
            shared.in[(R + r) * shared.stride + j] = d_t;
        }
        __syncthreads();
        for (int at = thread; at < 2 * R * changed; at += BLOCK_THREADS) {
            const int net = at / (R * changed), r = at / changed % R, j = at % changed;
            if (r < valid) pass.d_out[((2 * c + net) * rows + first + r) * changed + j] = shared.in[(net * R + r) * shared.stride + j];
        }
        for (int depth = pass.hidden_layers; depth >= 0; depth--) {
            // Nobody asks for the gradient of the first rows.
            if (depth == 0 && c == 0) break;
            const int inputs = depth == 0 ? kept : width, outputs = depth == pass.hidden_layers ? changed : width;
            const float* weights = pass.values + map_offset(&pass, depth) + 2 * c * (long long)(inputs + 1) * outputs;
            const long long place = ((long long)((depth - 1) * pass.couplings + c) * 2 * rows + first) * width;
            multiply_back(R, shared, inputs, weights, outputs, depth == 0 ? NULL : pass.hidden + place, rows * width, valid, pass.is_tanh);
            __syncthreads();
            float* other = shared.in;
            shared.in = shared.out;
            shared.out = other;
            for (int at = thread; depth > 0 && at < 2 * R * width; at += BLOCK_THREADS) {
                const int net = at / (R * width), r = at / width % R, k = at % width;
                if (r < valid) pass.d_hidden[place + (net * rows + r) * width + k] = shared.in[(net * R + r) * shared.stride + k];
            }
        }
        if (c > 0) {
            for (int at = thread; at < R * features; at += BLOCK_THREADS) {
                const int r = at / features, k = slot[at % features];
                if (k >= 0) d[at] += shared.in[r * shared.stride + k] + shared.in[(R + r) * shared.stride + k];
            }
        }
        __syncthreads();
    }
}

// R rows a block. The wider the values that stand in shared memory, the fewer rows: see `Whole` in step/whole.rs.
KERNEL void pass_1(const Pass* pass) {
    __shared__ Four room[1024];
    pass_together(1, pass, room->v);
}

KERNEL void pass_2(const Pass* pass) {
    __shared__ Four room[1536];
    pass_together(2, pass, room->v);
}

KERNEL void pass_4(const Pass* pass) {
    __shared__ Four room[2560];
    pass_together(4, pass, room->v);
}

KERNEL void pass_8(const Pass* pass) {
    __shared__ Four room[3072];
    pass_together(8, pass, room->v);
}

// A tile of 32 inputs and 32 outputs of the gradient of a map: the sum over rows of in (transposed) times d. The tile of the first
// inputs has the bias too. Without inputs there is a bias alone, at `to`.
typedef struct {
    const float* in;
    const float* d;
    float* to;
    int inputs, outputs;
    int first_input, first_output;
} Tile;

// A block a tile; partial: the sums of squares of what they wrote. The state of the last step becomes that of this one.
KERNEL void weight_gradients(const Tile* tiles, int rows, double* partial, Control* control) {
    enum { SIDE = 32 };
    __shared__ Four room[1024];
    const Tile tile = tiles[blockIdx.x];
    const int thread = threadIdx.x;
    if (blockIdx.x == 0 && thread == 0) control[0] = control[1];
    // Thread `thread` brings four values of one row of each side at a time.
    const int row_of = thread / 8, column_of = 4 * (thread % 8);
    const int has_in = tile.first_input + column_of < tile.inputs, has_d = tile.first_output + column_of < tile.outputs;
    // Four teams of 64 threads share the rows; a thread has four inputs and four outputs.
    const int team = thread / 64, input = 4 * (thread % 64 / 8), output = 4 * (thread % 8);
    Four sums[4], bias, next_in, next_d;
    for (int j = 0; j < 4; j++) {
        bias.v[j] = 0.0f;
        for (int i = 0; i < 4; i++) sums[i].v[j] = 0.0f;
    }
    for (int start = -SIDE; start < rows; start += SIDE) {
        // The next rows are on their way while those before are added up.
        const long long row = start + SIDE + row_of;
        for (int j = 0; j < 4; j++) next_in.v[j] = next_d.v[j] = 0.0f;
        if (row < rows && has_in) next_in = four(tile.in + row * tile.inputs + tile.first_input + column_of);
        if (row < rows && has_d) next_d = four(tile.d + row * tile.outputs + tile.first_output + column_of);
        if (start >= 0) {
#pragma unroll
            for (int k = 0; k < SIDE / 4; k++) {
                const Four a = room[(team * 8 + k) * 8 + input / 4], b = room[256 + (team * 8 + k) * 8 + output / 4];
#pragma unroll
                for (int j = 0; j < 4; j++) {
                    bias.v[j] += b.v[j];
#pragma unroll
                    for (int i = 0; i < 4; i++) sums[i].v[j] += a.v[i] * b.v[j];
                }
            }
        }
        __syncthreads();
        room[row_of * 8 + column_of / 4] = next_in;
        room[256 + row_of * 8 + column_of / 4] = next_d;
        __syncthreads();
    }
    // The teams' sums, in order.
    if (team > 0) {
        Four* own = room + (team - 1) * 320 + thread % 64;
        for (int i = 0; i < 4; i++) own[i * 64] = sums[i];
        own[256] = bias;
    }
    __syncthreads();
    double squared = 0.0;
    if (team == 0) {
        for (int other = 0; other < 3; other++) {
            const Four* theirs = room + other * 320 + thread;
            for (int j = 0; j < 4; j++) {
                for (int i = 0; i < 4; i++) sums[i].v[j] += theirs[i * 64].v[j];
                bias.v[j] += theirs[256].v[j];
            }
        }
        if (tile.first_output + output < tile.outputs) {
            float* to = tile.to + tile.first_output + output;
            for (int i = 0; i < 4; i++) {
                if (tile.first_input + input + i >= tile.inputs) continue;
                *(Four*)(to + (long long)(tile.first_input + input + i) * tile.outputs) = sums[i];
                for (int j = 0; j < 4; j++) squared += (double)sums[i].v[j] * sums[i].v[j];
            }
            if (tile.first_input == 0 && input == 0) {
                *(Four*)(to + (long long)tile.inputs * tile.outputs) = bias;
                for (int j = 0; j < 4; j++) squared += (double)bias.v[j] * bias.v[j];
            }
        }
    }
    squared = block_sum(squared);
    if (thread == 0) partial[blockIdx.x] = squared;
}

// The loss and the norm of a step, and the update. Every block works out the verdict for itself; control[0] is the state of this
// step, and the first block leaves that of the next in control[1].
KERNEL void advance(const double* partial, int partials, const double* row_loss, int rows, double constant, double clip_norm,
                                   double* losses, Control* control, float* values, const float* gradient, long long count,
                                   float* first, float* second, int rule, float a, float b, float c, float weight_decay,
                                   const Constants* constants) {
    double squared = 0.0, loss = 0.0;
    for (int at = threadIdx.x; at < partials; at += BLOCK_THREADS) squared += partial[at];
    for (int at = threadIdx.x; at < rows; at += BLOCK_THREADS) loss += row_loss[at];
    const double norm = sqrt(block_sum(squared));
    const double nll = block_sum(loss) / rows + constant;
    const Control now = control[0];
    const int diverged = !(isfinite(nll) && isfinite(norm));
    const float clip = clip_norm > 0.0 && norm > clip_norm ? (float)(clip_norm / norm) : 1.0f;
    if (blockIdx.x == 0 && threadIdx.x == 0 && !now.diverged) {
        losses[2 * now.step] = nll;
        losses[2 * now.step + 1] = norm;
        control[1].diverged = diverged;
        control[1].step = now.step + !diverged;
    }
    if (now.diverged || diverged) return;
    const Rule all = {first, second, rule, a, b, c, weight_decay};
    for (long long at = thread_number(); at < count; at += (long long)gridDim.x * BLOCK_THREADS) {
        update_value(values, at, gradient[at] * clip, all, constants[now.step]);
    }
}
