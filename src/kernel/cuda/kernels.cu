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

// h = activation(h + bias), h of shape [2, rows, width].
KERNEL void activate(float* h, const float* values, offset_t bias_s, offset_t bias_t, int rows, int width, int is_tanh) {
    const long long at = thread_number();
    const long long half = (long long)rows * width;
    if (at >= 2 * half) return;
    const float v = h[at] + values[(at < half ? bias_s : bias_t) + column_of(at, width)];
    // Not a number stays what it is.
    h[at] = is_tanh ? tanhf(v) : (v < 0.0f ? 0.0f : v);
}

// The gradient before an activation, from the one behind it and the activation h, in whose place it is written.
KERNEL void activate_back(float* h, const float* d, long long count, int is_tanh) {
    const long long at = thread_number();
    if (at >= count) return;
    const float v = h[at];
    h[at] = is_tanh ? d[at] * (1.0f - v * v) : (v > 0.0f ? d[at] : 0.0f);
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

// The rules of the optimizers, as on the CPU. rule: 0 Adam, 1 AdamW (a, b: betas, c: epsilon), 2 SGD (a: momentum),
// 3 RMSprop (a: alpha, b: epsilon, c: momentum).
KERNEL void update(float* values, const float* gradient, float* first, float* second, long long count, int rule, float a,
                                  float b, float c, float weight_decay, const Constants* constants, const Control* control) {
    const long long at = thread_number();
    if (at >= count || control->diverged) return;
    const Constants now = constants[control->step - 1];
    const float p = values[at];
    float g = gradient[at] * control->clip;
    if (rule <= 1) {
        g += rule == 0 ? weight_decay * p : 0.0f;
        const float m = first[at] + (1.0f - a) * (g - first[at]);
        const float v = second[at] + (1.0f - b) * (g * g - second[at]);
        first[at] = m;
        second[at] = v;
        const float shrunk = rule == 1 ? p * (1.0f - now.rate * weight_decay) : p;
        values[at] = shrunk - now.rate / now.correction_first * m / (sqrtf(v) / now.correction_second + c);
    } else if (rule == 2) {
        const float m = a * first[at] + (g + weight_decay * p);
        first[at] = m;
        values[at] = p - now.rate * m;
    } else {
        g += weight_decay * p;
        const float s = first[at] + (1.0f - a) * (g * g - first[at]);
        const float v = c * second[at] + g / (sqrtf(s) + b);
        first[at] = s;
        second[at] = v;
        values[at] = p - now.rate * v;
    }
}
