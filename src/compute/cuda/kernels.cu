// The kernels of one training step and of evaluation. Rows are row-major: a batch of x is [rows, features], where the features of a
// conditional flow have their context behind them. What belongs to the networks of a coupling stands together, s before t:
// [networks, rows, columns]; an additive coupling has t alone. `values` is the flat vector of parameters, and what is called an
// offset counts floats in it. No kernel uses atomics: the same inputs give the same bits.
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

// The sum over the `lanes` threads that share a row, in all of them: as for `group_sum`, or all of a block.
__device__ static float row_sum(float value, int lanes) {
    return lanes > 32 ? (float)block_sum(value) : group_sum(value, lanes);
}

// Four floats that stand together.
typedef struct {
    float v[4];
} __attribute__((aligned(16))) Four;

__device__ static Four four(const float* from) {
    return *(const Four*)from;
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

// Brings `count` values of a row's context to their places among what a coupling's networks read: of an image, each pixel has them
// all.
KERNEL void spread(const float* x, const int* columns, const int* places, float* kept_rows, int rows, int width, int kept,
                   int count) {
    const long long at = thread_number();
    if (at >= (long long)rows * count) return;
    const long long row = at / count;
    const int number = (int)(at % count);
    kept_rows[row * kept + places[number]] = x[row * width + columns[number]];
}

// The weights of the rows of a step, of which a row has `weights`, by a block of 256 threads: every row's share of the gradient's
// weight, [rows], and their mean. A step whose rows all count alike has neither: its kernels are given null.
KERNEL void weigh(const float* weights, const Control* control, float* shares, double* mean, int rows) {
    const float* own = weights + (long long)control->step * rows;
    double sum = 0.0;
    for (int row = threadIdx.x; row < rows; row += blockDim.x) {
        sum += own[row];
        shares[row] = own[row] / rows;
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) *mean = sum / rows;
}

// What a row weighs in the gradient: its share, or, where all rows count alike, per_row.
__device__ static float share_of(const float* shares, float per_row, long long row) {
    return shares == NULL ? per_row : shares[row];
}

// What all rows together weigh, in rows a row.
__device__ static double mean_weight(const double* mean) {
    return mean == NULL ? 1.0 : *mean;
}

// at modulo columns; in 32 bits where they are enough, which is several times as fast.
__device__ static int column_of(long long at, int columns) {
    return (int)(at < (1LL << 31) ? (unsigned)at % (unsigned)columns : at % columns);
}

__device__ static float activation(float v, int is_tanh) {
    // Not a number stays what it is.
    return is_tanh ? tanhf(v) : (v < 0.0f ? 0.0f : v);
}

// The slope where the activation, with dropout behind it, gave h. scale: what dropout multiplies values by that it keeps, or 0
// where there is none.
__device__ static float activation_slope(float h, int is_tanh, float scale) {
    if (scale == 0.0f) return is_tanh ? 1.0f - h * h : (h > 0.0f ? 1.0f : 0.0f);
    if (is_tanh) return h == 0.0f ? 0.0f : scale - h * h / scale;
    return h > 0.0f ? scale : 0.0f;
}

// What comes behind a map forward, and what came before it on the way back: nothing, not even its bias; its bias and an activation;
// its bias alone.
enum { THEN_NOTHING, THEN_RELU, THEN_TANH, THEN_BIAS };

// out = activation(out + bias + add), of shape [networks, rows, width]; the same without the activation goes to `plain`. Null:
// there is nothing to add, or nobody asks for it.
KERNEL void activate(float* out, const float* add, float* plain, const float* values, offset_t bias_s, offset_t bias_t,
                     int networks, int rows, int width, int then) {
    const long long at = thread_number();
    const long long one = (long long)rows * width;
    if (at >= networks * one) return;
    float value = out[at] + values[(at < one ? bias_s : bias_t) + column_of(at, width)];
    if (add != NULL) value += add[at];
    if (plain != NULL) plain[at] = value;
    out[at] = then == THEN_BIAS ? value : activation(value, then == THEN_TANH);
}

__device__ static unsigned mixed(unsigned h) {
    h = (h ^ (h >> 16)) * 0x85ebca6bu;
    h = (h ^ (h >> 13)) * 0xc2b2ae35u;
    return h ^ (h >> 16);
}

// Dropout as in layers/coupling/dropout.rs, bit for bit: of the hidden values h, [networks, rows, width], some become 0, the others
// are multiplied by `scale`. The units of a row stand in groups of so many, from one to the next `pitch` values. noise: the number
// that each step draws from. place_s, place_t: what tells the networks' layers from all others. Draws from `threshold` on keep a
// value.
KERNEL void drop(float* h, const offset_t* noise, const Control* control, offset_t place_s, offset_t place_t, int networks,
                 int rows, int width, int group, int pitch, unsigned threshold, float scale) {
    const long long at = thread_number();
    const long long one = (long long)rows * width;
    if (at >= networks * one) return;
    const unsigned value = (unsigned)column_of(at, width), unit = value / pitch * group + value % pitch;
    const unsigned row = (unsigned)((at < one ? at : at - one) / width);
    offset_t key = noise[control->step] + ((at < one ? place_s : place_t) + 1) * 0x9e3779b97f4a7c15ull;
    key = (key ^ (key >> 30)) * 0xbf58476d1ce4e5b9ull;
    key = (key ^ (key >> 27)) * 0x94d049bb133111ebull;
    key ^= key >> 31;
    const unsigned start = (row * 0x9e3779b1u) ^ (unit * 0x85ebca77u + (unsigned)key);
    h[at] *= mixed(mixed(start) ^ (unsigned)(key >> 32)) >= threshold ? scale : 0.0f;
}

// The gradient before an activation, in place of the one behind it, d; h: what the activation gave, with dropout where there is a
// `scale`; add: added to it, or null.
KERNEL void activate_back(const float* h, const float* add, float* d, long long count, int then, float scale) {
    const long long at = thread_number();
    if (at >= count) return;
    const float value = activation_slope(h[at], then == THEN_TANH, scale) * d[at];
    d[at] = add == NULL ? value : value + add[at];
}

// A map of the networks of a coupling, with what comes behind it, for sizes that leave most of a GPU idle in a general product.
// Forward, out[net][row] = activation(in[net][row] * W[net] + b[net] + add[net][row]), W of shape [inner, columns]; without the
// activation it goes to `plain`, which may be `add`. Back (`is_back`), out[net][row] = in[net][row] * W[net] transposed, W of shape
// [columns, inner], times the slope where the activation gave h, with dropout where there is a `scale`, plus add[net][row]. add and
// plain may be null.
// in_net, map: floats from s to t, of `in` and of the weights.
// All sizes are whole pieces of four floats. A block has a tile of 32 rows and 32 columns of one network.
KERNEL void affine(const float* in, long long in_net, const float* weights, long long map, const float* h, const float* add,
                                  float* plain, float* out, int rows, int inner, int columns, int is_back, int then, float scale) {
    enum { SIDE = 32, TERMS = 64, PITCH = TERMS / 4 + 1 };
    __shared__ Four room[2 * SIDE * PITCH];
    Four* left = room;
    Four* right = room + SIDE * PITCH;
    const int thread = threadIdx.x, across = (columns + SIDE - 1) / SIDE, down = (rows + SIDE - 1) / SIDE;
    const int tile = blockIdx.x % (across * down), net = blockIdx.x / (across * down);
    const int first_row = tile / across * SIDE, first_column = tile % across * SIDE;
    in += net * in_net;
    weights += net * map;
    // Each thread brings four values of both sides of the next 64 terms, twice.
    const int high = thread / 8, wide = thread % 8;
    const int row_there = first_row + high < rows;
    const float* in_from = in + (long long)(first_row + high) * inner;
    const int column_there = is_back ? first_column + high < columns : first_column + 4 * wide < columns;
    const float* weights_from = is_back ? weights + (long long)(first_column + high) * inner : weights + first_column + 4 * wide;
    // Four teams of 64 threads share the terms; a thread has the rows `row`, 8 further, ... and four columns.
    const int team = thread / 64, row = thread % 64 / 8, column = thread % 8;
    Four sums[4], next_left[2], next_right[2];
#pragma unroll
    for (int i = 0; i < 4; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++) sums[i].v[j] = 0.0f;
    }
#pragma unroll 1
    for (int start = -TERMS; start < inner; start += TERMS) {
        // They are on their way while those before are added up.
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int across_term = start + TERMS + 32 * half + 4 * wide, down_term = start + TERMS + 32 * half + high;
#pragma unroll
            for (int j = 0; j < 4; j++) next_left[half].v[j] = next_right[half].v[j] = 0.0f;
            if (row_there && across_term < inner) next_left[half] = four(in_from + across_term);
            if (is_back) {
                if (column_there && across_term < inner) next_right[half] = four(weights_from + across_term);
            } else {
                if (column_there && down_term < inner) next_right[half] = four(weights_from + (long long)down_term * columns);
            }
        }
        if (start >= 0) {
#pragma unroll
            for (int part = 0; part < TERMS / 16; part++) {
                const int at = TERMS / 16 * team + part;
                Four a[4], b[4];
#pragma unroll
                for (int i = 0; i < 4; i++) a[i] = left[(row + 8 * i) * PITCH + at];
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    b[i] = is_back ? right[(column + 8 * i) * PITCH + at] : right[(4 * at + i) * 8 + column];
                }
#pragma unroll
                for (int k = 0; k < 4; k++) {
#pragma unroll
                    for (int i = 0; i < 4; i++) {
#pragma unroll
                        for (int j = 0; j < 4; j++) sums[i].v[j] += a[i].v[k] * (is_back ? b[j].v[k] : b[k].v[j]);
                    }
                }
            }
        }
        __syncthreads();
#pragma unroll
        for (int half = 0; half < 2; half++) {
            left[high * PITCH + 8 * half + wide] = next_left[half];
            right[is_back ? high * PITCH + 8 * half + wide : (32 * half + high) * 8 + wide] = next_right[half];
        }
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 4; i++) room[(team * 4 + i) * 64 + thread % 64] = sums[i];
    __syncthreads();
    // Now a team has the rows of one i.
    Four total = room[team * 64 + thread % 64];
#pragma unroll
    for (int other = 1; other < 4; other++) {
        const Four more = room[(other * 4 + team) * 64 + thread % 64];
#pragma unroll
        for (int j = 0; j < 4; j++) total.v[j] += more.v[j];
    }
    const int own_row = first_row + row + 8 * team;
    if (own_row >= rows) return;
    const long long place = ((long long)net * rows + own_row) * columns;
    if (is_back) {
#pragma unroll
        for (int j = 0; j < 4; j++) {
            const int own = first_column + column + 8 * j;
            if (own >= columns) continue;
            if (then != THEN_NOTHING) total.v[j] *= activation_slope(h[place + own], then == THEN_TANH, scale);
            out[place + own] = add == NULL ? total.v[j] : total.v[j] + add[place + own];
        }
    } else if (first_column + 4 * column < columns) {
        const int own = first_column + 4 * column;
        if (then != THEN_NOTHING) {
            const Four bias = four(weights + (long long)inner * columns + own);
#pragma unroll
            for (int j = 0; j < 4; j++) total.v[j] += bias.v[j];
        }
        if (add != NULL) {
            const Four more = four(add + place + own);
#pragma unroll
            for (int j = 0; j < 4; j++) total.v[j] += more.v[j];
        }
        if (plain != NULL) *(Four*)(plain + place + own) = total;
        if (then == THEN_RELU || then == THEN_TANH) {
#pragma unroll
            for (int j = 0; j < 4; j++) total.v[j] = activation(total.v[j], then == THEN_TANH);
        }
        *(Four*)(out + place + own) = total;
    }
}

// What a coupling does with the features that it changes: z = x e^s + t. The s network says a.
enum {
    // s = scale tanh(a).
    FORM_TANH,
    // s = scale 2/pi atan(pi/2 a).
    FORM_ATAN,
    // e^s = 2 sigmoid(a).
    FORM_SIGMOID,
    // s = 0: there is no s network.
    FORM_ADDITIVE,
    // Splines, by one network.
    FORM_SPLINE,
};

__device__ static int networks_of(int form) {
    return form >= FORM_ADDITIVE ? 1 : 2;
}

// s without its learned bound, scale.
__device__ static float squash(float a, int form) {
    if (form == FORM_TANH) return tanhf(a);
    if (form == FORM_ATAN) return 0.63661977f * atanf(1.5707963f * a);
    // ln 2 + ln sigmoid(a), finite for every a.
    return 0.69314718f + (a < 0.0f ? a : 0.0f) - log1pf(expf(-fabsf(a)));
}

// The slope of `squash` where it gave `squashed`; factor: e^s.
__device__ static float squash_slope(float squashed, float factor, int form) {
    if (form == FORM_TANH) return 1.0f - squashed * squashed;
    if (form == FORM_ATAN) {
        const float cosine = cospif(0.5f * squashed);
        return cosine * cosine;
    }
    return 1.0f - 0.5f * factor;
}

// The learned bound of s, or 1. `scale`: offset of those of a coupling.
__device__ static float bound_of(const float* values, offset_t scale, int j, int form) {
    return form <= FORM_ATAN ? values[scale + j] : 1.0f;
}

// What networks say. says, 0: there are none (nothing is kept), biases stand alone; 1: what stands there is without its bias; 2: it
// is whole.
__device__ static float said_of(const float* out, const float* bias, int says) {
    return (says == 0 ? 0.0f : *out) + (says == 2 ? 0.0f : *bias);
}

// A coupling, x to z or back; x and z may be the same. out, [networks, rows, said]: what the networks say without their biases; it
// leaves s without its learned bound and e^s (back: e^-s). to_t: floats from what is said of s to what is said of t, by the same
// network or by the next. says: see `said_of`.
// role[feature]: its place among the changed features, or -1. `lanes` threads share a row.
KERNEL void couple(float* out, const float* values, offset_t bias_s, offset_t bias_t, offset_t scale, const float* x,
                                  float* z, float* log_det, const int* role, const int* slot, int kept, float* kept_rows, int rows,
                                  int features, int said, offset_t to_t, int says, int form, int is_inverse, int lanes) {
    const long long thread = thread_number();
    const long long row = thread / lanes;
    float total = 0.0f;
    if (row < rows) {
        for (int feature = (int)(thread % lanes); feature < features; feature += lanes) {
            float value = x[row * features + feature];
            const int j = role[feature];
            if (j >= 0) {
                const long long at = row * said + j;
                const float t = said_of(out + to_t + at, values + bias_t + j, says);
                float factor = 1.0f;
                if (form != FORM_ADDITIVE) {
                    const float squashed = squash(said_of(out + at, values + bias_s + j, says), form);
                    const float s = bound_of(values, scale, j, form) * squashed;
                    factor = expf(is_inverse ? -s : s);
                    total += s;
                    out[at] = squashed;
                    out[to_t + at] = factor;
                }
                value = is_inverse ? (value - t) * factor : value * factor + t;
            }
            z[row * features + feature] = value;
            keep(slot, kept, kept_rows, row, feature, value);
        }
    }
    total = row_sum(total, lanes);
    if (row < rows && thread % lanes == 0 && !is_inverse) {
        log_det[row] += total;
    }
}

// The gradient with respect to a layer's output, with what the networks of the coupling above found for its kept features:
// d_kept, [networks, rows, kept].
__device__ static float gather(const float* d, const int* slot, int networks, int kept, const float* d_kept, long long row,
                               int feature, int rows, int features) {
    float value = d[row * features + feature];
    if (slot != NULL && slot[feature] >= 0) {
        const long long at = row * kept + slot[feature];
        value += networks == 1 ? d_kept[at] : d_kept[at] + d_kept[(long long)rows * kept + at];
    }
    return value;
}

// The way back through `couple`, up to its networks: d becomes the gradient with respect to x, but for what the networks add; out
// becomes the gradients of what the networks say; product, [rows, room], is to be summed over rows to the gradient of scale,
// where there is one. The loss has minus a row's share (see `share_of`) a unit of s. `networks`: those of the coupling above.
KERNEL void couple_back(float* out, const float* values, offset_t scale, const float* x, float* d, float* product,
                                       const int* role, const int* slot, int kept, const float* d_kept, int networks,
                                       const float* shares, float per_row, int rows, int features, int said, offset_t to_t,
                                       int room, int form) {
    const long long at = thread_number();
    if (at >= (long long)rows * features) return;
    const long long row = at / features;
    const int feature = (int)(at % features);
    float value = gather(d, slot, networks, kept, d_kept, row, feature, rows, features);
    const int j = role[feature];
    if (j >= 0 && form == FORM_ADDITIVE) {
        out[row * said + j] = value;
    } else if (j >= 0) {
        float* s = out + row * said + j;
        float* t = s + to_t;
        const float squashed = *s, factor = *t;
        const float d_t = value;
        value *= factor;
        const float d_s = value * x[at] - share_of(shares, per_row, row);
        product[row * room + j] = d_s * squashed;
        *s = d_s * bound_of(values, scale, j, form) * squash_slope(squashed, factor, form);
        *t = d_t;
    }
    d[at] = value;
}

// Rational-quadratic splines, by the formulas of layers/coupling/spline/cpu.rs.
typedef struct {
    int bins;
    // Floats from one list of what networks say to the next.
    int list;
    // The identity begins at +-bound.
    float bound;
    // A bin's length is least + factor * its share.
    float least, factor;
    // Added to a logit of a slope. Compilers must not know it: what it gives must be what logits of 0 give, to the bit.
    float curve;
} Spline;

// A bin's width or height: where it starts, its length, its share of the whole, and the shares before it.
typedef struct {
    float start, length, share, before;
} Side;

// The bin of a value; the slopes at its ends, and those of the curve that they come from.
typedef struct {
    int number;
    Side x, y;
    float slopes[2], curves[2];
} Bin;

// A place theta in a bin, and the parts of a spline there: z = y + height (theta + lift), dz/dx = secant^2 a / divisor^2.
typedef struct {
    float theta, rest, t, secant, lift, divisor, a;
} Place;

__device__ static float unit(float v) {
    v = v > 0.0f ? v : 0.0f;
    return v < 1.0f ? v : 1.0f;
}

__device__ static float softplus(float v) {
    return (v > 0.0f ? v : 0.0f) + log1pf(expf(-fabsf(v)));
}

__device__ static float sigmoid(float v) {
    const float small = expf(-fabsf(v));
    return (v < 0.0f ? small : 1.0f) / (1.0f + small);
}

// The logits at p, with their biases, become shares that add up to 1.
__device__ static void softmax(float* p, int count, int list) {
    float largest = p[0], sum = 0.0f;
    for (int i = 1; i < count; i++) largest = p[i * list] > largest ? p[i * list] : largest;
    for (int i = 0; i < count; i++) {
        const float share = expf(p[i * list] - largest);
        sum += share;
        p[i * list] = share;
    }
    const float inverse = 1.0f / sum;
    for (int i = 0; i < count; i++) p[i * list] *= inverse;
}

__device__ static Side side_of(Spline spline, float share, float start, float before) {
    const Side side = {start, fmaf(spline.factor, share, spline.least), share, before};
    return side;
}

__device__ static Side side_behind(Spline spline, float share, Side side) {
    return side_of(spline, share, side.start + side.length, side.before + side.share);
}

// The bin of `key`, an x, or back a y, within +-bound. p: shares, and logits of slopes.
__device__ static Bin find_bin(Spline spline, const float* p, float key, int is_inverse) {
    const int bins = spline.bins, list = spline.list;
    Side x = side_of(spline, p[0], -spline.bound, 0.0f), y = side_of(spline, p[bins * list], -spline.bound, 0.0f);
    Bin bin;
    bin.number = 0;
    bin.x = x;
    bin.y = y;
    for (int i = 1; i < bins; i++) {
        x = side_behind(spline, p[i * list], x);
        y = side_behind(spline, p[(bins + i) * list], y);
        if (key < (is_inverse ? y.start : x.start)) break;
        bin.number = i;
        bin.x = x;
        bin.y = y;
    }
    const float* logits = p + (2 * bins + bin.number) * list;
    const float at_zero = softplus(spline.curve);
    for (int end = 0; end < 2; end++) {
        const int inner = end == 0 ? bin.number > 0 : bin.number + 1 < bins;
        const float logit = (inner ? logits[(end - 1) * list] : 0.0f) + spline.curve;
        bin.slopes[end] = 1.0f + (softplus(logit) - at_zero);
        bin.curves[end] = sigmoid(logit);
    }
    return bin;
}

__device__ static Place place_in(Bin bin, float theta) {
    Place at;
    at.theta = theta;
    at.rest = 1.0f - theta;
    at.t = theta * at.rest;
    at.secant = bin.y.length / bin.x.length;
    // By how much the slopes at the ends exceed the secant: 0 all at once where the spline is a line.
    const float first = bin.slopes[0] - at.secant, second = bin.slopes[1] - at.secant;
    at.divisor = fmaf(first + second, at.t, at.secant);
    at.lift = at.t * (first * at.rest - second * theta) / at.divisor;
    at.a = fmaf(second, theta * theta, fmaf(first, at.rest * at.rest, at.secant));
    return at;
}

// z of the x at that place: exactly x where the spline is the identity.
__device__ static float value_at(Bin bin, float x, Place at) {
    const float moved = fmaf(bin.y.length - bin.x.length, at.theta, bin.y.start - bin.x.start);
    return x + fmaf(bin.y.length, at.lift, moved);
}

__device__ static float slope_at(Place at) {
    const float ratio = at.secant / at.divisor;
    return ratio * ratio * at.a;
}

// Where in its bin the y `near` lies.
__device__ static float inverse_place(Bin bin, float near) {
    const float height = bin.y.length, secant = height / bin.x.length, first = bin.slopes[0], second = bin.slopes[1];
    // a theta^2 + b theta + c = 0 by the root that does not cancel; rounding may make its discriminant negative.
    const float rise = near - bin.y.start;
    const float bend = rise * (first + second - 2.0f * secant);
    const float a = fmaf(height, secant - first, bend), b = height * first - bend, c = -secant * rise;
    const float discriminant = fmaf(b, b, -4.0f * (a * c));
    const float theta = unit(2.0f * c / -(b + sqrtf(discriminant > 0.0f ? discriminant : 0.0f)));
    // One step of Newton's takes away what rounding left.
    const Place at = place_in(bin, theta);
    const float there = value_at(bin, fmaf(theta, bin.x.length, bin.x.start), at);
    return unit(theta + (near - there) / (slope_at(at) * bin.x.length));
}

// z of x, by shares and logits of slopes at p; ln dz/dx is added to `total`.
__device__ static float through_spline(Spline spline, const float* p, float x, float* total) {
    const Bin bin = find_bin(spline, p, x, 0);
    const Place at = place_in(bin, unit((x - bin.x.start) / bin.x.length));
    *total += logf(slope_at(at));
    return value_at(bin, x, at);
}

// Where a spline is the identity. Not a number is not within, and not beyond.
__device__ static int is_outside(Spline spline, float value) {
    return value < -spline.bound || value > spline.bound;
}

// A coupling by splines, as `couple`. bias: offset of what its network says without what it reads. It leaves shares in place of the
// logits of widths and heights.
KERNEL void couple_spline(float* out, const float* values, offset_t bias, const float* x, float* z, float* log_det,
                          const int* role, const int* slot, int kept, float* kept_rows, int rows, int features, int said,
                          int list, int says, int bins, float bound, float least, float factor, float curve,
                          int is_inverse, int lanes) {
    const Spline spline = {bins, list, bound, least, factor, curve};
    const long long thread = thread_number();
    const long long row = thread / lanes;
    float total = 0.0f;
    if (row < rows) {
        for (int feature = (int)(thread % lanes); feature < features; feature += lanes) {
            float value = x[row * features + feature];
            const int j = role[feature];
            if (j >= 0) {
                float* p = out + row * said + j;
                for (int i = 0; i < 3 * bins - 1; i++) {
                    p[i * list] = said_of(p + i * list, values + bias + i * list + j, says);
                }
                softmax(p, bins, list);
                softmax(p + bins * list, bins, list);
                if (!is_outside(spline, value) && is_inverse) {
                    const Bin bin = find_bin(spline, p, value, 1);
                    value = fmaf(inverse_place(bin, value), bin.x.length, bin.x.start);
                } else if (!is_outside(spline, value)) {
                    value = through_spline(spline, p, value, &total);
                }
            }
            z[row * features + feature] = value;
            keep(slot, kept, kept_rows, row, feature, value);
        }
    }
    total = row_sum(total, lanes);
    if (row < rows && thread % lanes == 0 && !is_inverse) {
        log_det[row] += total;
    }
}

// The gradients of the logits of widths or of heights, in place of the shares at p: from those by where the value's bin starts and
// by its length.
__device__ static void shares_back(Spline spline, float* p, Side side, int number, float d_start, float d_length) {
    const float mean = fmaf(d_start, side.before, d_length * side.share);
    for (int i = 0; i < spline.bins; i++) {
        const float d_share = i < number ? d_start : i == number ? d_length : 0.0f;
        p[i * spline.list] = spline.factor * p[i * spline.list] * (d_share - mean);
    }
}

// The way back through a spline: the gradient with respect to x, from that with respect to z. What stands at p becomes the
// gradients of the logits. share: what the row weighs.
__device__ static float back_through_spline(Spline spline, float* p, float x, float d_z, float share) {
    const int bins = spline.bins, list = spline.list;
    if (is_outside(spline, x)) {
        for (int i = 0; i < 3 * bins - 1; i++) p[i * list] = 0.0f;
        return d_z;
    }
    const Bin bin = find_bin(spline, p, x, 0);
    const Place place = place_in(bin, unit((x - bin.x.start) / bin.x.length));
    const float theta = place.theta, rest = place.rest, t = place.t, secant = place.secant;
    const float first = bin.slopes[0], second = bin.slopes[1], quotient = theta + place.lift;
    // The loss by the parts N, D and A of z and of ln dz/dx = 2 ln s + ln A - 2 ln D.
    const float d_numerator = d_z * bin.y.length / place.divisor;
    const float d_divisor = 2.0f * share / place.divisor - d_numerator * quotient;
    const float d_a = -share / place.a;
    const float both = d_numerator + d_divisor, turn = rest - theta;
    // By the secant, the place in the bin, and the slopes.
    const float d_secant = d_numerator * theta * theta + 2.0f * t * d_a + d_divisor * (1.0f - 2.0f * t)
        - 2.0f * share / secant;
    const float d_first = both * t + d_a * rest * rest, d_second = d_divisor * t + d_a * theta * theta;
    const float of_numerator = first * turn + 2.0f * secant * theta;
    const float of_divisor = (first + second - 2.0f * secant) * turn;
    const float of_a = second * theta + secant * turn - first * rest;
    const float d_theta = d_numerator * of_numerator + d_divisor * of_divisor + 2.0f * d_a * of_a;
    // By x, and by where the bin begins and how long it is.
    const float by_width = 1.0f / bin.x.length;
    const float d_x = d_theta * by_width;
    const float d_height = d_secant * by_width + d_z * quotient;
    const float d_width = -by_width * (d_secant * secant + d_theta * theta);
    // By the logits.
    shares_back(spline, p, bin.x, bin.number, -d_x, d_width);
    shares_back(spline, p + bins * list, bin.y, bin.number, d_z, d_height);
    for (int knot = 1; knot < bins; knot++) {
        float d_logit = 0.0f;
        if (knot == bin.number) d_logit = d_first * bin.curves[0];
        if (knot == bin.number + 1) d_logit = d_second * bin.curves[1];
        p[(2 * bins + knot - 1) * list] = d_logit;
    }
    return d_x;
}

// The way back through `couple_spline`, as `couple_back`.
KERNEL void couple_spline_back(float* out, const float* x, float* d, const int* role, const int* slot, int kept,
                               const float* d_kept, int networks, const float* shares, float per_row, int rows, int features,
                               int said, int list, int bins, float bound, float least, float factor, float curve) {
    const Spline spline = {bins, list, bound, least, factor, curve};
    const long long at = thread_number();
    if (at >= (long long)rows * features) return;
    const long long row = at / features;
    const int feature = (int)(at % features);
    float value = gather(d, slot, networks, kept, d_kept, row, feature, rows, features);
    const int j = role[feature];
    if (j >= 0) {
        value = back_through_spline(spline, out + row * said + j, x[at], value, share_of(shares, per_row, row));
    }
    d[at] = value;
}

// Mean and variance of a feature over a batch, by a block of 256 threads.
typedef struct {
    double mean, variance;
} Moments;

__device__ static Moments moments_together(const float* x, int feature, int rows, int features) {
    Moments moments;
    double sum = 0.0;
    for (long long row = threadIdx.x; row < rows; row += blockDim.x) {
        sum += x[row * features + feature];
    }
    moments.mean = block_sum(sum) / rows;
    sum = 0.0;
    for (long long row = threadIdx.x; row < rows; row += blockDim.x) {
        const double centred = x[row * features + feature] - moments.mean;
        sum += centred * centred;
    }
    moments.variance = block_sum(sum) / rows;
    return moments;
}

// Batch normalisation with the batch's statistics, a block of 256 threads a feature. normal: the rows before log_gamma and beta.
// term[feature]: its part of log_det, the same for all rows.
KERNEL void normalise(const float* x, float* normal, float* z, float* values, offset_t log_gamma, offset_t beta,
                                     offset_t running_mean, offset_t running_variance, double* inverse_deviation, double* term,
                                     const Control* control, const int* slot, int kept, float* kept_rows, int rows, int features,
                                     double epsilon, double momentum) {
    const int feature = blockIdx.x;
    const Moments moments = moments_together(x, feature, rows, features);
    const double mean = moments.mean, variance = moments.variance;
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

// The way back through `normalise`: d, and the gradients of log_gamma and beta. mean: of the rows' weights, see `weigh`.
KERNEL void normalise_back(const float* normal, float* d, const float* values, float* gradient, offset_t log_gamma,
                                          offset_t beta, const double* inverse_deviation, const int* slot, int kept,
                                          const float* d_kept, int networks, int rows, int features, const double* mean) {
    const int feature = blockIdx.x;
    double sum = 0.0, product = 0.0;
    for (long long row = threadIdx.x; row < rows; row += blockDim.x) {
        const long long at = row * features + feature;
        const float value = gather(d, slot, networks, kept, d_kept, row, feature, rows, features);
        d[at] = value;
        sum += value;
        product += (double)value * normal[at];
    }
    const double d_beta = block_sum(sum);
    const double d_gamma = block_sum(product);
    const double gamma = exp((double)values[log_gamma + feature]);
    // What its part of log_det weighs.
    const double weight = mean_weight(mean);
    if (threadIdx.x == 0) {
        gradient[log_gamma + feature] = (float)(gamma * d_gamma - weight);
        gradient[beta + feature] = (float)d_beta;
    }
    for (long long row = threadIdx.x; row < rows; row += blockDim.x) {
        const long long at = row * features + feature;
        const double centred = normal[at];
        const double through = gamma * (d[at] - d_beta / rows - centred * d_gamma / rows);
        // The last term: -ln of the deviation stands in the loss, and the deviation depends on every row.
        d[at] = (float)(inverse_deviation[feature] * (through + weight * centred / rows));
    }
}

// Batch normalisation with the running statistics, x to z or back; x and z may be the same. `lanes` threads share a row. The
// logarithm and the exponential of a feature are worked out once a block: in 64 bits they are slow on most cards.
KERNEL void normalise_running(const float* x, float* z, const float* values, offset_t log_gamma, offset_t beta,
                                             offset_t running_mean, offset_t running_variance, float* log_det, const int* slot,
                                             int kept, float* kept_rows, int rows, int features, double epsilon, int is_inverse,
                                             int lanes) {
    __shared__ double factors[256];
    __shared__ float log_scales[256];
    const long long thread = thread_number();
    const long long row = thread / lanes;
    float total = 0.0f;
    for (int first = 0; first < features; first += 256) {
        const int own = first + threadIdx.x;
        __syncthreads();
        if (own < features) {
            const double log_scale = values[log_gamma + own] - 0.5 * log(values[running_variance + own] + epsilon);
            log_scales[threadIdx.x] = (float)log_scale;
            factors[threadIdx.x] = exp(is_inverse ? -log_scale : log_scale);
        }
        __syncthreads();
        const int end = features - first < 256 ? features - first : 256;
        for (int at = (int)(thread % lanes); row < rows && at < end; at += lanes) {
            const int feature = first + at;
            const double mean = values[running_mean + feature], shift = values[beta + feature];
            const double before = x[row * features + feature];
            const double after = is_inverse ? (before - shift) * factors[at] + mean : (before - mean) * factors[at] + shift;
            const float value = (float)after;
            z[row * features + feature] = value;
            total += log_scales[at];
            keep(slot, kept, kept_rows, row, feature, value);
        }
    }
    total = row_sum(total, lanes);
    if (row < rows && thread % lanes == 0 && !is_inverse) {
        log_det[row] += total;
    }
}

// Activation normalisation in training, z = x e^log_scale + bias, a block of 256 threads a feature. The first batch decides where
// both start; started[feature] is 0 before. scaled: the rows before bias. term as for `normalise`.
KERNEL void rescale_training(const float* x, float* scaled, float* z, float* values, offset_t log_scale, offset_t bias,
                             offset_t started, double* term, const Control* control, const int* slot, int kept,
                             float* kept_rows, int rows, int features) {
    const int feature = blockIdx.x;
    float exponent = values[log_scale + feature], shift = values[bias + feature];
    if (values[started + feature] == 0.0f) {
        const Moments moments = moments_together(x, feature, rows, features);
        // Of a feature that varies less, all is rounding: it is only centred.
        const double exact = moments.variance > 1e-12 ? -0.5 * log(moments.variance) : 0.0;
        exponent = (float)exact;
        shift = (float)(-moments.mean * exp(exact));
        if (threadIdx.x == 0 && !control->diverged) {
            values[log_scale + feature] = exponent;
            values[bias + feature] = shift;
            values[started + feature] = 1.0f;
        }
    }
    if (threadIdx.x == 0) {
        term[feature] = exponent;
    }
    const float factor = expf(exponent);
    for (long long row = threadIdx.x; row < rows; row += blockDim.x) {
        const long long at = row * features + feature;
        const float product = x[at] * factor, value = product + shift;
        scaled[at] = product;
        z[at] = value;
        keep(slot, kept, kept_rows, row, feature, value);
    }
}

// The way back through `rescale_training`: d, and the gradients of log_scale and bias. mean: as for `normalise_back`.
KERNEL void rescale_back(const float* scaled, float* d, const float* values, float* gradient, offset_t log_scale, offset_t bias,
                         const int* slot, int kept, const float* d_kept, int networks, int rows, int features, const double* mean) {
    const int feature = blockIdx.x;
    const float factor = expf(values[log_scale + feature]);
    double sum = 0.0, product = 0.0;
    for (long long row = threadIdx.x; row < rows; row += blockDim.x) {
        const long long at = row * features + feature;
        const float value = gather(d, slot, networks, kept, d_kept, row, feature, rows, features);
        d[at] = value * factor;
        sum += value;
        product += (double)value * scaled[at];
    }
    const double d_bias = block_sum(sum);
    const double d_scaled = block_sum(product);
    if (threadIdx.x == 0) {
        gradient[log_scale + feature] = (float)(d_scaled - mean_weight(mean));
        gradient[bias + feature] = (float)d_bias;
    }
}

// Activation normalisation in evaluation, x to z or back; x and z may be the same. `lanes` threads share a row.
KERNEL void rescale(const float* x, float* z, const float* values, offset_t log_scale, offset_t bias, float* log_det,
                    const int* slot, int kept, float* kept_rows, int rows, int features, int is_inverse, int lanes) {
    const long long thread = thread_number();
    const long long row = thread / lanes;
    float total = 0.0f;
    for (int feature = (int)(thread % lanes); row < rows && feature < features; feature += lanes) {
        const float exponent = values[log_scale + feature], shift = values[bias + feature];
        const float before = x[row * features + feature];
        const float value = is_inverse ? (before - shift) * expf(-exponent) : before * expf(exponent) + shift;
        z[row * features + feature] = value;
        total += exponent;
        keep(slot, kept, kept_rows, row, feature, value);
    }
    total = row_sum(total, lanes);
    if (row < rows && thread % lanes == 0 && !is_inverse) {
        log_det[row] += total;
    }
}

// An LU map, z = L U x + b, of features whose columns are in `order`. On the diagonal of its matrix stand the logarithms of U's,
// below it L, whose own diagonal is 1, above it U. Here both become dense matrices from columns to columns.
KERNEL void lu_unpack(const float* values, offset_t matrix, const int* order, float* upper, float* lower, int features) {
    const long long at = thread_number();
    if (at >= (long long)features * features) return;
    const int i = (int)(at / features), j = (int)(at % features);
    const long long place = (long long)order[i] * features + order[j];
    const float entry = values[matrix + at];
    upper[place] = i < j ? entry : i == j ? expf(entry) : 0.0f;
    lower[place] = i < j ? 0.0f : i == j ? 1.0f : entry;
}

// What is left of an LU map once z is L U x. `lanes` threads share a row.
KERNEL void lu_shift(float* z, const float* values, offset_t matrix, offset_t bias, float* log_det, const int* slot, int kept,
                     float* kept_rows, int rows, int features, int lanes) {
    const long long thread = thread_number();
    const long long row = thread / lanes;
    float total = 0.0f;
    for (int feature = (int)(thread % lanes); row < rows && feature < features; feature += lanes) {
        const float value = z[row * features + feature] + values[bias + feature];
        z[row * features + feature] = value;
        total += values[matrix + (offset_t)feature * (features + 1)];
        keep(slot, kept, kept_rows, row, feature, value);
    }
    total = row_sum(total, lanes);
    if (row < rows && thread % lanes == 0) {
        log_det[row] += total;
    }
}

// Of LU maps of few features, a block has the matrix itself; `lanes` threads share a row, each with the features of its own.
enum { LU_FEATURES = 64 };

// From row to row there: an odd number, so that threads that read down a column do not wait for each other.
__device__ static int lu_pitch(int features) {
    return features | 1;
}

// U's diagonal stands on the diagonal there.
__device__ static void lu_load(const float* entries, float* own, int features) {
    for (int at = threadIdx.x; at < features * features; at += blockDim.x) {
        const int i = at / features, j = at % features;
        own[i * lu_pitch(features) + j] = i == j ? expf(entries[at]) : entries[at];
    }
}

// z = L U x + b, from features in `order` to the same; x and z may be the same. between: U x, [rows, features], by features; null:
// nobody asks.
KERNEL void lu_forward(const float* x, float* z, float* between, const float* values, offset_t matrix, offset_t bias,
                       const int* order, float* log_det, const int* slot, int kept, float* kept_rows, int rows, int features,
                       int lanes) {
    __shared__ float entries[LU_FEATURES * (LU_FEATURES + 1)];
    __shared__ float room_x[512], room_u[512];
    const long long row = thread_number() / lanes;
    const int lane = threadIdx.x % lanes, own = row < rows ? features : 0, pitch = lu_pitch(features);
    float* of_x = room_x + threadIdx.x / lanes * features;
    float* of_u = room_u + threadIdx.x / lanes * features;
    lu_load(values + matrix, entries, features);
    for (int i = lane; i < own; i += lanes) of_x[i] = x[row * features + order[i]];
    __syncthreads();
    for (int i = lane; i < own; i += lanes) {
        float total = entries[i * pitch + i] * of_x[i];
        for (int j = i + 1; j < features; j++) total += entries[i * pitch + j] * of_x[j];
        of_u[i] = total;
        if (between != NULL) between[row * features + i] = total;
    }
    __syncthreads();
    float log_scale = 0.0f;
    for (int i = lane; i < own; i += lanes) {
        float total = of_u[i];
        for (int j = 0; j < i; j++) total += entries[i * pitch + j] * of_u[j];
        const float value = total + values[bias + order[i]];
        z[row * features + order[i]] = value;
        keep(slot, kept, kept_rows, row, order[i], value);
        log_scale += values[matrix + (offset_t)i * (features + 1)];
    }
    log_scale = group_sum(log_scale, lanes);
    if (row < rows && lane == 0) {
        log_det[row] += log_scale;
    }
}

// The way back through `lu_forward`: d, and by features, [rows, features], what it was with what the coupling above found, d_z, and
// the gradient with respect to U x.
KERNEL void lu_back(float* d, const int* slot, int kept, const float* d_kept, int networks, float* d_z, float* d_between,
                    const float* values, offset_t matrix, const int* order, int rows, int features, int lanes) {
    __shared__ float entries[LU_FEATURES * (LU_FEATURES + 1)];
    __shared__ float room_z[512], room_u[512];
    const long long row = thread_number() / lanes;
    const int lane = threadIdx.x % lanes, own = row < rows ? features : 0, pitch = lu_pitch(features);
    float* of_z = room_z + threadIdx.x / lanes * features;
    float* of_u = room_u + threadIdx.x / lanes * features;
    lu_load(values + matrix, entries, features);
    for (int i = lane; i < own; i += lanes) {
        of_z[i] = gather(d, slot, networks, kept, d_kept, row, order[i], rows, features);
        d_z[row * features + i] = of_z[i];
    }
    __syncthreads();
    for (int j = lane; j < own; j += lanes) {
        float total = of_z[j];
        for (int i = j + 1; i < features; i++) total += entries[i * pitch + j] * of_z[i];
        of_u[j] = total;
        d_between[row * features + j] = total;
    }
    __syncthreads();
    for (int k = lane; k < own; k += lanes) {
        float total = 0.0f;
        for (int j = 0; j <= k; j++) total += entries[j * pitch + k] * of_u[j];
        d[row * features + order[k]] = total;
    }
}

// The gradients of U, of L and of the bias as sums over a part of the rows, [parts, features, features + 1]: below the diagonal
// L's, the bias's last. A block has 256 of them.
KERNEL void lu_sums(const float* x, const float* between, const float* d_z, const float* d_between, const int* order, float* partial,
                    int parts, int rows, int features) {
    const int sums = features * (features + 1), across = (sums + 255) / 256, part = blockIdx.x / across;
    const int at = blockIdx.x % across * 256 + threadIdx.x, i = at / (features + 1), j = at % (features + 1);
    if (at >= sums) return;
    const int rows_a_part = (rows + parts - 1) / parts, first = part * rows_a_part;
    const int end = rows - first < rows_a_part ? rows : first + rows_a_part;
    const int is_bias = j == features, is_lower = i > j;
    const float* left = (is_bias || is_lower ? d_z : d_between) + i;
    // The bias has nothing on this side.
    const float* right = is_bias ? left : is_lower ? between + j : x + order[j];
    float sum = 0.0f;
#pragma unroll 4
    for (long long row = first; row < end; row++) {
        const float value = left[row * features], other = right[row * features];
        sum += is_bias ? value : value * other;
    }
    partial[(long long)part * sums + at] = sum;
}

// Adds up the parts of `lu_sums`, 32 threads a sum; the rest as for `lu_gradient`.
KERNEL void lu_finish(const float* partial, int parts, const float* values, float* gradient, offset_t matrix, offset_t bias,
                      const int* order, int features, float pixels, const double* mean) {
    const int sums = features * (features + 1), at = (int)(thread_number() / 32), i = at / (features + 1), j = at % (features + 1);
    double own = 0.0;
    for (int part = threadIdx.x % 32; part < parts && at < sums; part += 32) own += partial[(long long)part * sums + at];
    float value = group_sum((float)own, 32);
    if (at >= sums || threadIdx.x % 32 != 0) return;
    if (j == features) {
        gradient[bias + order[i]] = value;
        return;
    }
    const offset_t place = (offset_t)i * features + j;
    if (i == j) value = value * expf(values[matrix + place]) - pixels * (float)mean_weight(mean);
    gradient[matrix + place] = value;
}

// Back through an LU map by substitution, in place. `lanes` threads share a row; each looks after the features of its own.
KERNEL void lu_inverse(float* z, const float* values, offset_t matrix, offset_t bias, const int* order, const int* slot, int kept,
                       float* kept_rows, int rows, int features, int lanes) {
    const long long thread = thread_number();
    const long long row = thread / lanes;
    const int lane = (int)(thread % lanes), own = row < rows ? features : 0;
    float* values_of = z + row * features;
    for (int j = lane; j < own; j += lanes) values_of[order[j]] -= values[bias + order[j]];
    for (int i = 0; i < features; i++) {
        const float* entries = values + matrix + (offset_t)i * features;
        float total = 0.0f;
        for (int j = lane; j < i && j < own; j += lanes) total += entries[j] * values_of[order[j]];
        total = group_sum(total, lanes);
        if (i < own && i % lanes == lane) values_of[order[i]] -= total;
    }
    for (int i = features - 1; i >= 0; i--) {
        const float* entries = values + matrix + (offset_t)i * features;
        float total = 0.0f;
        for (int j = i + 1 + (lane + lanes - (i + 1) % lanes) % lanes; j < own; j += lanes) {
            total += entries[j] * values_of[order[j]];
        }
        total = group_sum(total, lanes);
        if (i < own && i % lanes == lane) {
            const float value = (values_of[order[i]] - total) * expf(-entries[i]);
            values_of[order[i]] = value;
            keep(slot, kept, kept_rows, row, order[i], value);
        }
    }
}

// The gradient with respect to what an LU map gave, with what the coupling above found, to `to`.
KERNEL void lu_gather(const float* d, const int* slot, int kept, const float* d_kept, int networks, float* to, int rows,
                      int features) {
    const long long at = thread_number();
    if (at >= (long long)rows * features) return;
    to[at] = gather(d, slot, networks, kept, d_kept, at / features, (int)(at % features), rows, features);
}

// The gradient of the matrix of an LU map, from those of both dense ones, and from log|det|: -1 a logarithm and pixel. mean: as for
// `normalise_back`.
KERNEL void lu_gradient(const float* d_upper, const float* d_lower, const float* values, float* gradient, offset_t matrix,
                        const int* order, int features, float pixels, const double* mean) {
    const long long at = thread_number();
    if (at >= (long long)features * features) return;
    const int i = (int)(at / features), j = (int)(at % features);
    const long long place = (long long)order[i] * features + order[j];
    float value = i > j ? d_lower[place] : d_upper[place];
    if (i == j) value = value * expf(values[matrix + at]) - pixels * (float)mean_weight(mean);
    gradient[matrix + at] = value;
}

// Images of maps. Value i of pixel number q of a row stands at row * row + q * pixel + i / group * list + i % group.
typedef struct {
    float* at;
    long long row;
    int pixel, group, list;
    // Pixels of a row that stand here.
    int count;
} Image;

// A convolution over `side` x `side` pixels, 1 or 3, those outside the image 0: of `in`, or of relu of it (`relu_in`), at the
// pixels of `out`.
typedef struct {
    Image in, out;
    // For every pixel of the image its number in `in`, or -1; for every number in `out` its pixel. Null: all, from left to right,
    // then from top to bottom.
    const int* numbers;
    const int* pixels;
    // [side, side, inputs, columns], of which `outputs` columns count; bias: [columns], or null.
    const float* weights;
    const float* bias;
    // What becomes of a value, in this order: where `where` is not null, 0 unless that is positive, else times `factor`; plus
    // `add`, where that is not null; relu of it (`relu_out`). Both stand as `out` does.
    const float* where;
    const float* add;
    int height, width, side, inputs, outputs, columns, relu_in, relu_out;
    // Whether `in`, and `out`, can be read four values at a time.
    int in_by_four, out_by_four;
    float factor;
    int unused;
} Convolution;

__device__ static long long image_place(const Image* image, long long row, int number, int i) {
    const long long pixel = row * image->row + (long long)number * image->pixel;
    return pixel + (i < image->group ? i : i / image->group * image->list + i % image->group);
}

// The number in `in` of the pixel that one of the weights' places reads for the pixel in row y and column x, or -1.
__device__ static int neighbour(const Convolution* c, int y, int x, int place) {
    const int down = c->side == 3 ? y + place / 3 - 1 : y, across = c->side == 3 ? x + place % 3 - 1 : x;
    if (down < 0 || down >= c->height || across < 0 || across >= c->width) return -1;
    const int pixel = down * c->width + across;
    return c->numbers == NULL ? pixel : c->numbers[pixel];
}

// What four neighbouring rows of the weights read for a pixel: those from `term` on, which is input `i` of a place, of `terms`; the
// one behind the last reads 1.
__device__ static Four terms_of(const Convolution* c, long long row, int y, int x, int term, int place, int i, int terms) {
    Four values;
    for (int j = 0; j < 4; j++) values.v[j] = term + j == terms ? 1.0f : 0.0f;
    if (term >= terms) return values;
    if (c->in_by_four) {
        const int number = neighbour(c, y, x, place);
        if (number >= 0) values = four(c->in.at + image_place(&c->in, row, number, i));
    } else {
#pragma unroll
        for (int j = 0; j < 4; j++) {
            const int number = term + j < terms ? neighbour(c, y, x, place) : -1;
            if (number >= 0) values.v[j] = c->in.at[image_place(&c->in, row, number, i)];
            if (++i == c->inputs) {
                i = 0;
                place++;
            }
        }
    }
    if (c->relu_in) {
        for (int j = 0; j < 4; j++) values.v[j] = activation(values.v[j], 0);
    }
    return values;
}

// The convolution of `rows` rows, as a product: a block has 4096 / OUT pixels and OUT outputs of each, OUT a number known when
// compiled. room: see `convolve_*`.
__device__ static __forceinline__ void convolve_together(const int OUT, const Convolution* all, int rows, Four* room) {
    enum { TERMS = 16, PITCH = TERMS / 4 + 1 };
    const int PIXELS = 4096 / OUT, BRINGS = PIXELS / 64;
    const Convolution c = *all;
    Four* left = room;
    Four* right = room + PIXELS * PITCH;
    const int thread = threadIdx.x, across = (c.outputs + OUT - 1) / OUT, terms = c.side * c.side * c.inputs;
    const long long first = (long long)(blockIdx.x / across) * PIXELS, count = (long long)rows * c.out.count;
    const int first_output = blockIdx.x % across * OUT;
    // Each thread brings four terms of one or two pixels, and, of some, four outputs of a term.
    long long row[2];
    int y[2], x[2];
#pragma unroll
    for (int i = 0; i < BRINGS; i++) {
        const long long at = first + thread / 4 + 64 * i;
        const int number = (int)(at % c.out.count), pixel = c.pixels == NULL || at >= count ? number : c.pixels[number];
        row[i] = at < count ? at / c.out.count : -1;
        y[i] = pixel / c.width;
        x[i] = pixel % c.width;
    }
    const int brought_term = thread / (OUT / 4), brought_output = first_output + thread % (OUT / 4) * 4;
    const int brings_weights = brought_term < TERMS && brought_output < c.columns;
    int place = 4 * (thread % 4) / c.inputs, input = 4 * (thread % 4) % c.inputs;
    // It has four outputs of the pixels `own`, a share of all further, ...
    const int own = thread / (OUT / 4), column = thread % (OUT / 4), apart = 1024 / OUT;
    Four sums[4], next_left[2], next_right;
#pragma unroll
    for (int i = 0; i < 4; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++) sums[i].v[j] = 0.0f;
    }
#pragma unroll 1
    for (int start = -TERMS; start < terms; start += TERMS) {
        // They are on their way while those before are added up.
#pragma unroll
        for (int i = 0; i < BRINGS; i++) {
            const int term = row[i] < 0 ? terms + 1 : start + TERMS + 4 * (thread % 4);
            next_left[i] = terms_of(&c, row[i], y[i], x[i], term, place, input, terms);
            // The weights have no row for the bias here.
#pragma unroll
            for (int j = 0; j < 4; j++) next_left[i].v[j] = term + j < terms ? next_left[i].v[j] : 0.0f;
        }
        for (input += TERMS; input >= c.inputs; input -= c.inputs) place++;
#pragma unroll
        for (int j = 0; j < 4; j++) next_right.v[j] = 0.0f;
        if (brings_weights && start + TERMS + brought_term < terms) {
            next_right = four(c.weights + (long long)(start + TERMS + brought_term) * c.columns + brought_output);
        }
        if (start >= 0) {
#pragma unroll
            for (int part = 0; part < TERMS / 4; part++) {
                Four a[4], b[4];
#pragma unroll
                for (int i = 0; i < 4; i++) a[i] = left[(own + apart * i) * PITCH + part];
#pragma unroll
                for (int k = 0; k < 4; k++) b[k] = right[(4 * part + k) * (OUT / 4) + column];
#pragma unroll
                for (int k = 0; k < 4; k++) {
#pragma unroll
                    for (int i = 0; i < 4; i++) {
#pragma unroll
                        for (int j = 0; j < 4; j++) sums[i].v[j] += a[i].v[k] * b[k].v[j];
                    }
                }
            }
        }
        __syncthreads();
#pragma unroll
        for (int i = 0; i < BRINGS; i++) left[(thread / 4 + 64 * i) * PITCH + thread % 4] = next_left[i];
        if (brought_term < TERMS) right[brought_term * (OUT / 4) + thread % (OUT / 4)] = next_right;
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const long long at = first + own + apart * i;
        const int output = first_output + 4 * column;
        if (at >= count || output >= c.outputs) continue;
        const long long to_row = at / c.out.count;
        const int number = (int)(at % c.out.count);
        const long long whole = image_place(&c.out, to_row, number, output);
        Four where, add;
        if (c.out_by_four && c.where != NULL) where = four(c.where + whole);
        if (c.out_by_four && c.add != NULL) add = four(c.add + whole);
#pragma unroll
        for (int j = 0; j < 4; j++) {
            if (output + j >= c.outputs) continue;
            const long long place = c.out_by_four ? whole + j : image_place(&c.out, to_row, number, output + j);
            float value = sums[i].v[j];
            if (c.bias != NULL) value += c.bias[output + j];
            if (c.where != NULL) value = (c.out_by_four ? where.v[j] : c.where[place]) > 0.0f ? value * c.factor : 0.0f;
            if (c.add != NULL) value += c.out_by_four ? add.v[j] : c.add[place];
            if (c.relu_out) value = activation(value, 0);
            sums[i].v[j] = value;
            if (!c.out_by_four) c.out.at[place] = value;
        }
        if (c.out_by_four) *(Four*)(c.out.at + whole) = sums[i];
    }
}

// The gradient of the weights of a convolution, and behind them of its bias, from that of what it gave, `out`: the sum over a part
// of the pixels, [parts, side * side * inputs + 1, columns]. A block has 4096 / OUT rows and OUT columns of one part. room: see
// `convolve_weights_*`.
__device__ static __forceinline__ void weights_together(const int OUT, const Convolution* all, float* partial, int parts, int rows,
                                                        Four* room) {
    enum { PIXELS = 16 };
    const int TERMS = 4096 / OUT, BRINGS = TERMS / 64;
    const Convolution c = *all;
    Four* left = room;
    Four* right = room + PIXELS * (TERMS / 4);
    const int thread = threadIdx.x, across = (c.columns + OUT - 1) / OUT, terms = c.side * c.side * c.inputs;
    const int down = (terms + TERMS) / TERMS, part = blockIdx.x / (across * down), tile = blockIdx.x % (across * down);
    const int first_term = tile / across * TERMS, first_output = tile % across * OUT;
    const long long count = (long long)rows * c.out.count;
    const long long pixels_a_part = (count + parts - 1) / parts, first = part * pixels_a_part;
    const long long end = first + pixels_a_part < count ? first + pixels_a_part : count;
    // Each thread brings four or eight terms of a pixel, and, of some, four outputs of one. They go on by 16 pixels.
    int term[2], place[2], input[2];
#pragma unroll
    for (int i = 0; i < BRINGS; i++) {
        term[i] = first_term + 4 * (thread % 16) + 64 * i;
        place[i] = term[i] / c.inputs;
        input[i] = term[i] % c.inputs;
    }
    long long at = first + thread / 16, row = at / c.out.count, d_at = first + thread / (OUT / 4), d_row = d_at / c.out.count;
    int number = (int)(at % c.out.count), d_number = (int)(d_at % c.out.count);
    const int brought_output = first_output + thread % (OUT / 4) * 4;
    const int own = thread / (OUT / 4), column = thread % (OUT / 4);
    Four sums[4], next_left[2], next_right;
#pragma unroll
    for (int i = 0; i < 4; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++) sums[i].v[j] = 0.0f;
    }
#pragma unroll 1
    for (long long start = first - PIXELS; start < end; start += PIXELS) {
        // They are on their way while those before are added up.
#pragma unroll
        for (int j = 0; j < 4; j++) next_left[0].v[j] = next_left[1].v[j] = next_right.v[j] = 0.0f;
        if (at < end) {
            const int pixel = c.pixels == NULL ? number : c.pixels[number], y = pixel / c.width, x = pixel - y * c.width;
#pragma unroll
            for (int i = 0; i < BRINGS; i++) {
                next_left[i] = terms_of(&c, row, y, x, term[i], place[i], input[i], terms);
            }
        }
        if (own < PIXELS && d_at < end && brought_output < c.outputs) {
            if (c.out_by_four) {
                next_right = four(c.out.at + image_place(&c.out, d_row, d_number, brought_output));
            } else {
#pragma unroll
                for (int j = 0; j < 4; j++) {
                    if (brought_output + j >= c.outputs) continue;
                    next_right.v[j] = c.out.at[image_place(&c.out, d_row, d_number, brought_output + j)];
                }
            }
        }
        at += PIXELS;
        d_at += PIXELS;
        for (number += PIXELS; number >= c.out.count; number -= c.out.count) row++;
        for (d_number += PIXELS; d_number >= c.out.count; d_number -= c.out.count) d_row++;
        if (start >= first) {
#pragma unroll
            for (int k = 0; k < PIXELS; k++) {
                const Four a = left[k * (TERMS / 4) + own], b = right[k * (OUT / 4) + column];
#pragma unroll
                for (int i = 0; i < 4; i++) {
#pragma unroll
                    for (int j = 0; j < 4; j++) sums[i].v[j] += a.v[i] * b.v[j];
                }
            }
        }
        __syncthreads();
#pragma unroll
        for (int i = 0; i < BRINGS; i++) left[thread / 16 * (TERMS / 4) + thread % 16 + 16 * i] = next_left[i];
        if (own < PIXELS) right[own * (OUT / 4) + column] = next_right;
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const int term = first_term + 4 * own + i, output = first_output + 4 * column;
        if (term <= terms && output < c.columns) {
            *(Four*)(partial + ((long long)part * (terms + 1) + term) * c.columns + output) = sums[i];
        }
    }
}

#ifdef __CUDACC__
// Two blocks on a multiprocessor: while the threads of one wait for each other, those of the other compute.
extern "C" __global__ void __launch_bounds__(256, 2) convolve_weights_32(const Convolution*, float*, int, int);
#endif

KERNEL void convolve_32(const Convolution* convolution, int rows) {
    __shared__ Four room[128 * 5 + 16 * 8];
    convolve_together(32, convolution, rows, room);
}

KERNEL void convolve_64(const Convolution* convolution, int rows) {
    __shared__ Four room[64 * 5 + 16 * 16];
    convolve_together(64, convolution, rows, room);
}

KERNEL void convolve_weights_32(const Convolution* convolution, float* partial, int parts, int rows) {
    __shared__ Four room[16 * 40];
    weights_together(32, convolution, partial, parts, rows, room);
}

KERNEL void convolve_weights_64(const Convolution* convolution, float* partial, int parts, int rows) {
    __shared__ Four room[16 * 32];
    weights_together(64, convolution, partial, parts, rows, room);
}

// The sum of so many parts of a gradient.
KERNEL void add_parts(const float* partial, float* to, int parts, long long count) {
    const long long at = thread_number();
    if (at >= count) return;
    double sum = 0.0;
    for (int part = 0; part < parts; part++) sum += partial[part * count + at];
    to[at] = (float)sum;
}

// Normalised weights (Salimans & Kingma 2016): those of every output, of `terms` rows, have the length `magnitude`. A block an
// output.
KERNEL void normalise_weights(const float* weights, const float* magnitude, float* to, int terms, int columns) {
    const int output = blockIdx.x;
    double square = 0.0;
    for (int term = threadIdx.x; term < terms; term += blockDim.x) {
        const double weight = weights[(long long)term * columns + output];
        square += weight * weight;
    }
    const double length = sqrt(block_sum(square));
    // Columns that stand for nothing have no length.
    const double scale = length > 0.0 ? magnitude[output] / length : 0.0;
    for (int term = threadIdx.x; term < terms; term += blockDim.x) {
        const long long at = (long long)term * columns + output;
        to[at] = (float)(weights[at] * scale);
    }
}

// From the gradient of normalised weights, in place, to that of the weights; and that of their magnitude.
KERNEL void normalise_weights_back(const float* weights, const float* magnitude, float* d, float* d_magnitude, int terms,
                                   int columns) {
    const int output = blockIdx.x;
    double square = 0.0, along = 0.0;
    for (int term = threadIdx.x; term < terms; term += blockDim.x) {
        const long long at = (long long)term * columns + output;
        square += (double)weights[at] * weights[at];
        along += (double)d[at] * weights[at];
    }
    const double length = sqrt(block_sum(square));
    const double total = block_sum(along), direction = length > 0.0 ? total / length : 0.0;
    for (int term = threadIdx.x; term < terms && length > 0.0; term += blockDim.x) {
        const long long at = (long long)term * columns + output;
        d[at] = (float)(magnitude[output] / length * (d[at] - direction * weights[at] / length));
    }
    if (threadIdx.x == 0) d_magnitude[output] = (float)direction;
}

// Weights [places, inputs, columns] as the way back needs them, [places, outputs, pitch]: places in the other order, outputs and
// inputs exchanged, more columns than inputs filled with zeros.
KERNEL void turn(const float* weights, float* to, int places, int inputs, int outputs, int columns, int pitch) {
    const long long at = thread_number();
    if (at >= (long long)places * outputs * pitch) return;
    const int input = (int)(at % pitch), output = (int)(at / pitch % outputs), place = (int)(at / pitch / outputs);
    to[at] = input < inputs ? weights[((long long)(places - 1 - place) * inputs + input) * columns + output] : 0.0f;
}

// Sums of every channel over a part of the rows: of a, and of a times b, [parts, 2, channels]. A block has 32 channels of a part.
// needless: where it is not null and not 0 there, nobody asks.
KERNEL void channel_sums(const float* a, const float* b, double* partial, const float* needless, int parts, long long rows,
                         int channels) {
    __shared__ double sums[512];
    if (needless != NULL && *needless != 0.0f) return;
    const int across = (channels + 31) / 32, channel = blockIdx.x % across * 32 + threadIdx.x % 32, part = blockIdx.x / across;
    const long long rows_a_part = (rows + parts - 1) / parts, first = part * rows_a_part;
    const long long end = first + rows_a_part < rows ? first + rows_a_part : rows;
    double sum = 0.0, product = 0.0;
    for (long long row = first + threadIdx.x / 32; channel < channels && row < end; row += 8) {
        const double value = a[row * channels + channel];
        sum += value;
        product += value * b[row * channels + channel];
    }
    sums[threadIdx.x] = sum;
    sums[256 + threadIdx.x] = product;
    __syncthreads();
    if (threadIdx.x < 32 && channel < channels) {
        for (int team = 1; team < 8; team++) {
            sum += sums[32 * team + threadIdx.x];
            product += sums[256 + 32 * team + threadIdx.x];
        }
        partial[(2 * part) * channels + channel] = sum;
        partial[(2 * part + 1) * channels + channel] = product;
    }
}

// The sum of all parts of a channel, by a block, in all its threads.
__device__ static double parts_sum(const double* partial, int parts, int channels, int which, int channel) {
    double sum = 0.0;
    for (int part = threadIdx.x; part < parts; part += blockDim.x) sum += partial[(2 * part + which) * channels + channel];
    return block_sum(sum);
}

// A block a channel: batch normalisation of channels by their sums, or, where these are null, by running statistics, as a line:
// lines[2][channels], its slope and its value at 0. moments[2][channels]: mean and variance, for the way back. term, or null: as
// for `normalise`.
KERNEL void normalise_lines(const double* partial, int parts, long long rows, float* values, offset_t log_gamma, offset_t beta,
                            offset_t running_mean, offset_t running_variance, const Control* control, double* moments,
                            float* lines, double* term, double pixels, int channels, double epsilon, double momentum) {
    const int channel = blockIdx.x;
    double mean = values[running_mean + channel], variance = values[running_variance + channel];
    const double old_mean = mean, old_variance = variance;
    if (partial != NULL) {
        mean = parts_sum(partial, parts, channels, 0, channel) / rows;
        variance = parts_sum(partial, parts, channels, 1, channel) / rows - mean * mean;
        variance = variance > 0.0 ? variance : 0.0;
    }
    if (threadIdx.x > 0) return;
    if (partial != NULL) {
        moments[channel] = mean;
        moments[channels + channel] = variance;
        if (!control->diverged) {
            values[running_mean + channel] = (float)((1.0 - momentum) * old_mean + momentum * mean);
            values[running_variance + channel] = (float)((1.0 - momentum) * old_variance + momentum * variance);
        }
    }
    const double inverse = 1.0 / sqrt(variance + epsilon), slope = exp((double)values[log_gamma + channel]) * inverse;
    lines[channel] = (float)slope;
    lines[channels + channel] = (float)(values[beta + channel] - mean * slope);
    if (term != NULL) term[channel] = pixels * (values[log_gamma + channel] + log(inverse));
}

// Activation normalisation of channels in the same way. started: one flag a channel; before, the sums decide where it starts.
KERNEL void rescale_lines(const double* partial, int parts, long long rows, float* values, offset_t log_scale, offset_t bias,
                          offset_t started, const Control* control, float* lines, double* term, double pixels, int channels) {
    const int channel = blockIdx.x, has_started = values[started + channel] != 0.0f;
    const double mean = has_started ? 0.0 : parts_sum(partial, parts, channels, 0, channel) / rows;
    const double square = has_started ? 0.0 : parts_sum(partial, parts, channels, 1, channel) / rows;
    if (threadIdx.x > 0) return;
    float exponent = values[log_scale + channel], shift = values[bias + channel];
    if (!has_started) {
        const double variance = square - mean * mean;
        // Of a channel that varies less, all is rounding: it is only centred.
        const double exact = variance > 1e-12 + 1e-14 * mean * mean ? -0.5 * log(variance) : 0.0;
        exponent = (float)exact;
        shift = (float)(-mean * exp(exact));
        if (!control->diverged) {
            values[log_scale + channel] = exponent;
            values[bias + channel] = shift;
            values[started + channel] = 1.0f;
        }
    }
    lines[channel] = expf(exponent);
    lines[channels + channel] = shift;
    term[channel] = pixels * exponent;
}

// Every channel along its line, and where `relu`, that of it.
KERNEL void along_lines(const float* x, const float* lines, float* to, long long count, int channels, int relu) {
    const long long at = thread_number();
    if (at >= count) return;
    const int channel = column_of(at, channels);
    const float value = x[at] * lines[channel] + lines[channels + channel];
    to[at] = relu ? activation(value, 0) : value;
}

// The way back through `normalise_lines`, from the sums of the gradient d and of d times what it read: the gradients of log_gamma
// and beta, and of what it read as lines[3][channels]: what d, what was read, and 1 count. pixels: those that log_det counts; 0 for
// what is no part of it.
KERNEL void normalise_lines_back(const double* partial, int parts, long long rows, const float* values, float* gradient,
                                 offset_t log_gamma, offset_t beta, const double* moments, float* lines, int channels,
                                 double epsilon, double pixels, const double* mean_of_weights) {
    const int channel = blockIdx.x;
    const double sum = parts_sum(partial, parts, channels, 0, channel), product = parts_sum(partial, parts, channels, 1, channel);
    if (threadIdx.x > 0) return;
    const double mean = moments[channel], inverse = 1.0 / sqrt(moments[channels + channel] + epsilon);
    const double normal = (product - mean * sum) * inverse, gamma = exp((double)values[log_gamma + channel]);
    // What its part of log_det weighs: -ln of the deviation stands in the loss, and the deviation depends on every row.
    const double weight = pixels * mean_weight(mean_of_weights);
    gradient[log_gamma + channel] = (float)(gamma * normal - weight);
    gradient[beta + channel] = (float)sum;
    const double slope = gamma * inverse, bend = inverse * inverse * (weight - gamma * normal) / rows;
    lines[channel] = (float)slope;
    lines[channels + channel] = (float)bend;
    lines[2 * channels + channel] = (float)(-slope * sum / rows - bend * mean);
}

// The same through `rescale_lines`.
KERNEL void rescale_lines_back(const double* partial, int parts, const float* values, float* gradient, offset_t log_scale,
                               offset_t bias, float* lines, int channels, double pixels, const double* mean_of_weights) {
    const int channel = blockIdx.x;
    const double sum = parts_sum(partial, parts, channels, 0, channel), product = parts_sum(partial, parts, channels, 1, channel);
    if (threadIdx.x > 0) return;
    const double factor = exp((double)values[log_scale + channel]);
    gradient[log_scale + channel] = (float)(factor * product - pixels * mean_weight(mean_of_weights));
    gradient[bias + channel] = (float)sum;
    lines[channel] = (float)factor;
    lines[channels + channel] = lines[2 * channels + channel] = 0.0f;
}

// The gradient of what a normalisation of channels read, x, from that of what it gave, d; plus `add`, where that is not null.
KERNEL void along_lines_back(const float* x, const float* d, const float* add, const float* lines, float* to, long long count,
                             int channels) {
    const long long at = thread_number();
    if (at >= count) return;
    const int channel = column_of(at, channels);
    const float value = lines[channel] * d[at] + lines[channels + channel] * x[at] + lines[2 * channels + channel];
    to[at] = add == NULL ? value : value + add[at];
}

// The channels of every pixel, where they are not all values of a row: rows of their own, [rows, pixels, count], `own` values a
// row. columns[own]: where each stands in a row of `width` values; places[width]: the other way, or -1.

// Takes them from x, or, on the way back, from a gradient with what the coupling above found; starts their log_det.
KERNEL void take_channels(const float* x, const int* slot, int kept, const float* d_kept, int networks, const int* columns,
                          float* to, float* log_det, int rows, int width, int own, int count) {
    const long long at = thread_number();
    if (at >= (long long)rows * own) return;
    to[at] = gather(x, slot, networks, kept, d_kept, at / own, columns[at % own], rows, width);
    if (at % count == 0) log_det[at / count] = 0.0f;
}

// Puts them back, beside what stays of x; x and z may be the same. `lanes` threads share a row.
KERNEL void put_channels(const float* from, const float* own_log_det, const float* x, float* z, float* log_det,
                         const int* places, const int* slot, int kept, float* kept_rows, int rows, int width, int own, int count,
                         int is_inverse, int lanes) {
    const long long thread = thread_number();
    const long long row = thread / lanes;
    float total = 0.0f;
    for (int feature = (int)(thread % lanes); row < rows && feature < width; feature += lanes) {
        const int place = places[feature];
        const float value = place >= 0 ? from[row * own + place] : x[row * width + feature];
        z[row * width + feature] = value;
        keep(slot, kept, kept_rows, row, feature, value);
        if (place >= 0 && place % count == 0) total += own_log_det[(row * own + place) / count];
    }
    total = row_sum(total, lanes);
    if (row < rows && thread % lanes == 0 && !is_inverse) {
        log_det[row] += total;
    }
}

// The same of their gradient.
KERNEL void put_channels_back(const float* from, float* d, const int* places, const int* slot, int kept, const float* d_kept,
                              int networks, int rows, int width, int own) {
    const long long at = thread_number();
    if (at >= (long long)rows * width) return;
    const long long row = at / width;
    const int feature = (int)(at % width), place = places[feature];
    d[at] = place >= 0 ? from[row * own + place] : gather(d, slot, networks, kept, d_kept, row, feature, rows, width);
}

// The rows' parts of the loss, |z|^2 / 2 - log_det, and its gradient with respect to z; where rows have `shares` (see `weigh`),
// both times their own. A row has `width` values: its features, and a context that is no part of the density.
KERNEL void lose(const float* z, const float* log_det, float* d, double* row_loss, const float* shares, float per_row, int rows,
                                int features, int width, int lanes) {
    const long long thread = thread_number();
    const long long row = thread / lanes;
    const float share = row < rows ? share_of(shares, per_row, row) : 0.0f;
    float total = 0.0f;
    for (int feature = (int)(thread % lanes); row < rows && feature < width; feature += lanes) {
        const long long at = row * width + feature;
        const float value = feature < features ? z[at] : 0.0f;
        total += 0.5f * value * value;
        d[at] = value * share;
    }
    total = row_sum(total, lanes);
    if (row < rows && thread % lanes == 0) {
        const double loss = (double)total - log_det[row];
        row_loss[row] = shares == NULL ? loss : loss * share;
    }
}

// What rows need to know of a Student-t distribution: its degrees of freedom, and the derivative of its log-density at 0 with
// respect to their logarithm.
typedef struct {
    double degrees, peak_slope;
} StudentT;

// The derivative of the logarithm of the gamma function, for x > 0.
__device__ static double digamma(double x) {
    double below = 0.0;
    for (; x < 8.0; x += 1.0) below += 1.0 / x;
    const double square = 1.0 / (x * x);
    const double tail = square * (1.0 / 12 - square * (1.0 / 120 - square * (1.0 / 252 - square * (1.0 / 240 - square / 132))));
    return log(x) - 0.5 / x - tail - below;
}

// The distribution of every feature of a Student-t base, and term[feature], its log-density at 0. Degrees of freedom are `fixed`,
// or, where that is 0, learned.
KERNEL void student_t(const float* values, offset_t log_degrees, double fixed, StudentT* base, double* term, int features) {
    const int feature = (int)thread_number();
    if (feature >= features) return;
    const double degrees = fixed > 0.0 ? fixed : exp((double)values[log_degrees + feature]);
    const double whole = 0.5 * degrees, half = whole + 0.5;
    base[feature].degrees = degrees;
    base[feature].peak_slope = whole * (digamma(half) - digamma(whole)) - 0.5;
    term[feature] = lgamma(half) - lgamma(whole) - 0.5 * log(degrees * 3.14159265358979323846);
}

// As `lose`, of a Student-t base without its log-densities at 0. product, [rows, features]: to be summed over rows to the gradient
// of the logarithms of its degrees of freedom.
KERNEL void lose_student_t(const float* z, const float* log_det, float* d, double* row_loss, const StudentT* base, float* product,
                           const float* shares, float per_row, int rows, int features, int width, int lanes) {
    const long long thread = thread_number();
    const long long row = thread / lanes;
    const float share = row < rows ? share_of(shares, per_row, row) : 0.0f;
    float total = 0.0f;
    for (int feature = (int)(thread % lanes); row < rows && feature < width; feature += lanes) {
        const long long at = row * width + feature;
        if (feature >= features) {
            d[at] = 0.0f;
            continue;
        }
        const double value = z[at], degrees = base[feature].degrees;
        const double square = value * value, rise = log1p(square / degrees);
        total += (float)(0.5 * (degrees + 1.0) * rise);
        d[at] = (float)((degrees + 1.0) * value / (degrees + square)) * share;
        const double near = (degrees + 1.0) * (square / (degrees + square));
        product[row * features + feature] = (float)(0.5 * (degrees * rise - near) - base[feature].peak_slope) * share;
    }
    total = row_sum(total, lanes);
    if (row < rows && thread % lanes == 0) {
        const double loss = (double)total - log_det[row];
        row_loss[row] = shares == NULL ? loss : loss * share;
    }
}

// At most 32 neighbouring columns to be summed over rows.
typedef struct {
    const float* from;
    float* to;
    int rows;
    int stride;
    int count;
    int unused;
} Columns;

// A block of 256 threads an entry of the table.
KERNEL void column_sums(const Columns* table) {
    __shared__ double sums[256];
    const Columns columns = table[blockIdx.x];
    const int column = threadIdx.x % 32;
    double sum = 0.0;
    if (column < columns.count) {
        for (long long row = threadIdx.x / 32; row < columns.rows; row += 8) {
            sum += columns.from[row * columns.stride + column];
        }
    }
    sums[threadIdx.x] = sum;
    __syncthreads();
    if ((int)threadIdx.x < columns.count) {
        for (int part = 1; part < 8; part++) {
            sum += sums[part * 32 + threadIdx.x];
        }
        columns.to[threadIdx.x] = (float)sum;
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

// The loss and the norm of a step, one block of 256 threads; what the update needs to know; the next step begins. mean: of the
// rows' weights, see `weigh`.
KERNEL void finish(const double* partial, int partials, const double* row_loss, int rows, const double* mean, const double* term,
                                  int terms, double constant, double clip_norm, double* losses, Control* control) {
    double squared = 0.0, loss = 0.0, log_det = 0.0;
    for (int at = threadIdx.x; at < partials; at += blockDim.x) squared += partial[at];
    for (int at = threadIdx.x; at < rows; at += blockDim.x) loss += row_loss[at];
    for (int at = threadIdx.x; at < terms; at += blockDim.x) log_det += term[at];
    const double norm = sqrt(block_sum(squared));
    const double nll = block_sum(loss) / (mean == NULL ? (double)rows : *mean) - block_sum(log_det) + constant;
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

// What changes from update to update: learning rate, Adam's bias corrections, and by how much of the way an average goes to the
// newest values.
typedef struct {
    float rate;
    float correction_first;
    float correction_second;
    float rest;
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

// Takes the values that a step has left, trained or not, into their average.
KERNEL void average(float* averages, const float* values, long long count, const Constants* constants, const Control* control) {
    const long long at = thread_number();
    if (at >= count || control->diverged) return;
    averages[at] += constants[control->step - 1].rest * (values[at] - averages[at]);
}

// From here on: a whole step in three launches, for flows of couplings whose weights a multiprocessor reads quickly. `pass_*` takes
// rows through the flow and back, a few rows a block; `weight_gradients` sums over rows, `lu_gradients` too where there are LU
// maps; `advance` finishes and updates.

// Threads of a block of `pass_*`, of which there are few blocks, and of all other kernels.
enum { PASS_THREADS = 512, BLOCK_THREADS = 256 };

// An LU map of all features: the offsets of its values; for each feature its place in the bias and its column in rows.
typedef struct {
    offset_t matrix, bias;
    const int* order;
    const int* columns;
} LuMap;

// What LU maps leave for their gradients, each [maps, rows, row], by columns: the rows before them, what U made of those, and the
// gradients with respect to what the map gave and to what U made.
typedef struct {
    float* x;
    float* between;
    float* d_z;
    float* d_between;
} LuRows;

// What `pass_*` needs to know. Sizes are whole pieces of four floats; `kept`, `width` and `changed`, which is all that a network
// says, are those of every coupling. Arrays of activations stand depth after depth, coupling after coupling, s before t, row after
// row.
typedef struct {
    const float* values;
    // The rows of a step, as for `draw`.
    const float* from;
    const unsigned* places;
    const Control* control;
    // The rows before every coupling, [couplings, rows, row], and what its networks read of them, [couplings, rows, kept].
    float* x;
    float* inputs;
    // Hidden layers and the gradients with respect to what is before their activation, [hidden layers, couplings, networks, rows,
    // width].
    float* hidden;
    float* d_hidden;
    // What `couple` or `couple_spline` leaves, and the gradients of what the networks say, each [couplings, networks, rows,
    // changed].
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
    // `row`: values of a row, its features and a context that is no part of the density.
    int rows, features, row, couplings, hidden_layers, kept, width, changed, is_tanh, form;
    Spline spline;
    // The LU maps, and how many of them come before each coupling and before the end,
    // [couplings + 1].
    const LuMap* lus;
    const int* lus_before;
    LuRows lu_rows;
} Pass;

// Offset of the first map of a depth: 0 reads rows, `hidden_layers` gives s and t.
__device__ static int map_offset(const Pass* pass, int depth) {
    if (depth == 0) return 0;
    const int before = (pass->kept + 1) * pass->width + (depth - 1) * (pass->width + 1) * pass->width;
    return networks_of(pass->form) * pass->couplings * before;
}

// Rows of a block in shared memory: values of a network's layer, [2, R, stride], and room for what threads add up.
typedef struct {
    float* in;
    float* out;
    float* room;
    int stride;
} Shared;

// How the threads of a block share a map with so many outputs, of all networks. Divisions are slow, so this is done once.
typedef struct {
    int outputs, networks;
    // From inputs to outputs: a thread has four columns of which `parts` threads split the sum; then one column of some rows.
    int group, parts, part;
    int column, first_row, row_step;
    // Back: `lanes` neighbouring threads share a row of the weights, `teams` of them work at a time.
    int lanes, lane, teams, team;
} Share;

// The most threads that split a sum: the same for any number of rows a block, which therefore changes no bit.
enum { PARTS = 16 };

__device__ static Share share(int outputs, int networks) {
    const int columns = networks * outputs, groups = columns / 4, thread = threadIdx.x;
    Share share;
    share.outputs = outputs;
    share.networks = networks;
    share.parts = PASS_THREADS / groups < PARTS ? PASS_THREADS / groups : PARTS;
    share.group = thread % groups;
    share.part = thread / groups;
    share.column = thread % columns;
    share.first_row = thread / columns;
    share.row_step = PASS_THREADS / columns;
    share.lanes = 1;
    while (share.lanes < outputs / 4 && share.lanes < 32) share.lanes *= 2;
    share.lane = thread % share.lanes;
    share.teams = PASS_THREADS / share.lanes;
    share.team = thread / share.lanes;
    return share;
}

// out[net][r] = activation(in[net][r] * weights[net] + bias[net]), for all networks and R rows; is_tanh: -1 for no activation.
// in_net: floats from what s reads to what t reads. The hidden layer, [networks, rows, outputs] from this block's first row on, of
// which `valid` are there, is written to h, unless that is null.
__device__ static __forceinline__ void through_map(const int R, Shared shared, Share share, int in_net, int inputs,
                                                   const float* weights, float* h, int h_net, int valid, int is_tanh) {
    // There is room for the sums of four rows.
    const int at_once = R < 4 ? R : 4;
    const int outputs = share.outputs, columns = share.networks * outputs, weights_net = (inputs + 1) * outputs;
    const int adds = share.part < share.parts;
    Four sums[8];
#pragma unroll
    for (int r = 0; r < R; r++) {
#pragma unroll
        for (int j = 0; j < 4; j++) sums[r].v[j] = 0.0f;
    }
    if (adds) {
        const int net = 4 * share.group >= outputs, column = 4 * share.group - net * outputs;
        const float* from = weights + net * weights_net + column;
        const float* read = shared.in + net * in_net;
#pragma unroll 4
        for (int k = share.part; k < inputs; k += share.parts) {
            const Four w = four(from + k * outputs);
#pragma unroll
            for (int r = 0; r < R; r++) {
                const float value = read[r * shared.stride + k];
#pragma unroll
                for (int j = 0; j < 4; j++) sums[r].v[j] += value * w.v[j];
            }
        }
    }
#pragma unroll
    for (int first = 0; first < R; first += at_once) {
#pragma unroll
        for (int r = 0; r < at_once; r++) {
            if (adds) *(Four*)(shared.room + (share.part * at_once + r) * columns + 4 * share.group) = sums[first + r];
        }
        __syncthreads();
        if (share.first_row < share.row_step) {
            const int net = share.column >= outputs, own = share.column - net * outputs;
            const float bias = weights[net * weights_net + inputs * outputs + own];
#pragma unroll 1
            for (int r = share.first_row; r < at_once; r += share.row_step) {
                float sum = 0.0f;
#pragma unroll 4
                for (int part = 0; part < share.parts; part++) sum += shared.room[(part * at_once + r) * columns + share.column];
                const float value = is_tanh < 0 ? sum + bias : activation(sum + bias, is_tanh);
                shared.out[(net * R + first + r) * shared.stride + own] = value;
                if (h != NULL && first + r < valid) h[net * h_net + (first + r) * outputs + own] = value;
            }
        }
        __syncthreads();
    }
}

#ifndef GROUP_SUMS
// The sums over groups of `lanes` (a power of two, at most 32) neighbouring threads of each of `count` values, in all of them.
__device__ static __forceinline__ void group_sums(float* values, const int count, int lanes) {
    for (int apart = lanes / 2; apart > 0; apart /= 2) {
#pragma unroll
        for (int i = 0; i < count; i++) values[i] += __shfl_xor_sync(0xffffffffu, values[i], apart);
    }
}
#endif

// out[net][r] = in[net][r] * weights[net] transposed, from the outputs of a map to its inputs, each times the slope where the
// activation gave h: [networks, rows, inputs] from this block's first row on, of which `valid` are there; null: no activation. It
// is written to d, of the shape of h, unless that is null.
__device__ static __forceinline__ void back_through_map(const int R, Shared shared, Share share, int inputs, const float* weights,
                                                        const float* h, float* d, int h_net, int valid, int is_tanh) {
    const int at_once = R > 4 ? 2 : 4;
    const int outputs = share.outputs, lanes = share.lanes, lane = share.lane, weights_net = (inputs + 1) * outputs;
    const int items = share.networks * inputs;
#pragma unroll 1
    for (int start = share.team; start < items + share.team; start += at_once * share.teams) {
        float sums[16], slopes[4];
#pragma unroll
        for (int i = 0; i < at_once; i++) {
            const int item = start + i * share.teams, net = item >= inputs, k = item - net * inputs;
            slopes[i] = 1.0f;
#pragma unroll
            for (int r = 0; r < R; r++) sums[i * R + r] = 0.0f;
            if (item < items) {
                if (h != NULL && lane < R && lane < valid) {
                    slopes[i] = activation_slope(h[net * h_net + lane * inputs + k], is_tanh, 0.0f);
                }
                const float* from = weights + net * weights_net + k * outputs;
#pragma unroll 2
                for (int n = 4 * lane; n < outputs; n += 4 * lanes) {
                    const Four w = four(from + n);
#pragma unroll
                    for (int r = 0; r < R; r++) {
                        const Four got = *(const Four*)(shared.in + (net * R + r) * shared.stride + n);
#pragma unroll
                        for (int j = 0; j < 4; j++) sums[i * R + r] += got.v[j] * w.v[j];
                    }
                }
            }
        }
        group_sums(sums, at_once * R, lanes);
#pragma unroll
        for (int i = 0; i < at_once; i++) {
            const int item = start + i * share.teams, net = item >= inputs, k = item - net * inputs;
            if (item >= items) continue;
#pragma unroll
            for (int r = 0; r < R; r++) {
                if ((r & (lanes - 1)) != lane) continue;
                float slope = slopes[i];
                // Fewer threads than rows: a thread has several.
                if (h != NULL && r >= lanes && r < valid) slope = activation_slope(h[net * h_net + r * inputs + k], is_tanh, 0.0f);
                const float value = slope * sums[i * R + r];
                shared.out[(net * R + r) * shared.stride + k] = value;
                if (d != NULL && r < valid) d[net * h_net + r * inputs + k] = value;
            }
        }
    }
    __syncthreads();
}

// Takes R rows, of which `valid` are there, through LU map number `number`, and adds its ln|det|. between: room for as many rows.
__device__ static __forceinline__ void through_lu(const int R, const Pass* pass, int number, float* x, float* between,
                                                  float* log_det, int first, int valid) {
    const LuMap lu = pass->lus[number];
    const int thread = threadIdx.x, features = pass->features, values = pass->row, r = thread / features, i = thread % features;
    const int column = r < R ? lu.columns[i] : 0;
    const float* entries = pass->values + lu.matrix + i * features;
    if (r < R) {
        const float* own = x + r * values;
        float total = expf(entries[i]) * own[column];
#pragma unroll 2
        for (int j = i + 1; j < features; j++) total += entries[j] * own[lu.columns[j]];
        between[r * values + column] = total;
        if (r < valid) {
            const int place = (number * pass->rows + first + r) * values + column;
            pass->lu_rows.x[place] = own[column];
            pass->lu_rows.between[place] = total;
        }
    }
    if (thread < R) {
        float total = 0.0f;
        for (int j = 0; j < features; j++) total += pass->values[lu.matrix + j * (features + 1)];
        log_det[thread] += total;
    }
    __syncthreads();
    if (r < R) {
        const float* own = between + r * values;
        float total = own[column];
#pragma unroll 2
        for (int j = 0; j < i; j++) total += entries[j] * own[lu.columns[j]];
        x[r * values + column] = total + pass->values[lu.bias + lu.order[i]];
    }
    __syncthreads();
}

// The way back through `through_lu`. d_between: room for as many rows.
__device__ static __forceinline__ void back_through_lu(const int R, const Pass* pass, int number, float* d, float* d_between,
                                                       int first, int valid) {
    const LuMap lu = pass->lus[number];
    const int features = pass->features, values = pass->row, r = threadIdx.x / features, j = threadIdx.x % features;
    const int column = r < R ? lu.columns[j] : 0;
    // From row to row of the matrix.
    const float* entries = pass->values + lu.matrix + j;
    if (r < R) {
        const float* own = d + r * values;
        float total = own[column];
#pragma unroll 2
        for (int i = j + 1; i < features; i++) total += entries[i * features] * own[lu.columns[i]];
        d_between[r * values + column] = total;
        if (r < valid) {
            const int place = (number * pass->rows + first + r) * values + column;
            pass->lu_rows.d_z[place] = own[column];
            pass->lu_rows.d_between[place] = total;
        }
    }
    __syncthreads();
    if (r < R) {
        const float* own = d_between + r * values;
        float total = expf(entries[j * features]) * own[column];
#pragma unroll 2
        for (int i = 0; i < j; i++) total += entries[i * features] * own[lu.columns[i]];
        d[r * values + column] = total;
    }
    __syncthreads();
}

// Takes the R rows of a block through the flow and back. Known when compiled: R, whether couplings are splines, and whether there
// are LU maps. room: see `pass_*`.
__device__ static __forceinline__ void pass_together(const int R, const int SPLINES, const int LUS, const Pass* all, float* room) {
    const Pass pass = *all;
    const int thread = threadIdx.x, features = pass.features, values = pass.row;
    const int width = pass.width, kept = pass.kept, changed = pass.changed;
    const int first = blockIdx.x * R, rows = pass.rows, half = rows * changed, valid = rows - first < R ? rows - first : R;
    const int form = pass.form, networks = SPLINES ? 1 : networks_of(form);
    const Share wide = share(width, networks), narrow = share(changed, networks);
    // From what is said of s to what is said of t.
    const int to_t = (networks - 1) * R;
    Shared shared;
    shared.stride = width > kept ? width : kept;
    shared.stride = shared.stride > changed ? shared.stride : changed;
    shared.room = room;
    shared.in = room + 4 * (R < 4 ? R : 4) * PASS_THREADS;
    shared.out = shared.in + 2 * R * shared.stride;
    // The rows, their gradients, and s.
    float* x = shared.out + 2 * R * shared.stride;
    float* d = x + R * values;
    float* s = d + R * values;
    float* log_det = s + R * changed;

    if (thread < R) log_det[thread] = 0.0f;
    if (thread < values) {
#pragma unroll
        for (int r = 0; r < R; r++) {
            const long long number = (long long)pass.control->step * rows + first + r;
            const long long source = r >= valid ? 0 : pass.places == NULL ? number : pass.places[number];
            x[r * values + thread] = r < valid ? pass.from[source * values + thread] : 0.0f;
        }
    }
    __syncthreads();

    // Behind the last coupling come LU maps alone.
#pragma unroll 1
    for (int c = 0; c < pass.couplings + LUS; c++) {
        if (LUS) {
#pragma unroll 1
            for (int lu = c == 0 ? 0 : all->lus_before[c - 1]; lu < all->lus_before[c]; lu++) {
                through_lu(R, all, lu, x, d, log_det, first, valid);
            }
            if (c == pass.couplings) break;
        }
        // Places that stand for nothing are zero.
        if (thread < kept) {
#pragma unroll
            for (int r = 0; r < R; r++) shared.in[r * shared.stride + thread] = 0.0f;
        }
        __syncthreads();
        if (thread < changed) {
#pragma unroll
            for (int r = 0; r < R; r++) s[r * changed + thread] = 0.0f;
        }
        const int k = thread < values ? pass.slot[c * values + thread] : -1;
        if (thread < values) {
#pragma unroll
            for (int r = 0; r < R; r++) {
                const float value = x[r * values + thread];
                if (k >= 0) shared.in[r * shared.stride + k] = value;
                if (r < valid) pass.x[(c * rows + first + r) * values + thread] = value;
            }
        }
        __syncthreads();
        if (thread < kept) {
#pragma unroll
            for (int r = 0; r < R; r++) {
                if (r < valid) pass.inputs[(c * rows + first + r) * kept + thread] = shared.in[r * shared.stride + thread];
            }
        }
#pragma unroll 1
        for (int depth = 0; depth <= pass.hidden_layers; depth++) {
            const int last = depth == pass.hidden_layers, inputs = depth == 0 ? kept : width;
            const Share own = last ? narrow : wide;
            const float* weights = pass.values + map_offset(&pass, depth) + networks * c * (inputs + 1) * own.outputs;
            float* hidden = pass.hidden + ((depth * pass.couplings + c) * networks * rows + first) * width;
            through_map(R, shared, own, depth == 0 ? 0 : R * shared.stride, inputs, weights, last ? NULL : hidden, rows * width,
                        valid, last ? -1 : pass.is_tanh);
            float* other = shared.in;
            shared.in = shared.out;
            shared.out = other;
        }
        if (SPLINES) {
            const int r = thread / values, feature = thread % values;
            const int j = r < R ? pass.role[c * values + feature] : -1;
            if (j >= 0) {
                const Spline spline = all->spline;
                float* p = shared.in + r * shared.stride + j;
                softmax(p, spline.bins, spline.list);
                softmax(p + spline.bins * spline.list, spline.bins, spline.list);
                float* value = x + r * values + feature;
                if (!is_outside(spline, *value)) *value = through_spline(spline, p, *value, s + r * changed + j);
            }
            __syncthreads();
            if (thread < changed) {
#pragma unroll
                for (int i = 0; i < R; i++) {
                    if (i < valid) pass.out[(c * rows + first + i) * changed + thread] = shared.in[i * shared.stride + thread];
                }
            }
        }
        const int j = !SPLINES && thread < values ? pass.role[c * values + thread] : -1;
        if (j >= 0) {
            const float scale = bound_of(pass.values, pass.scale, c * changed + j, form);
#pragma unroll
            for (int r = 0; r < R; r++) {
                const float t = shared.in[(to_t + r) * shared.stride + j];
                if (form == FORM_ADDITIVE) {
                    x[r * values + thread] += t;
                    continue;
                }
                const float squashed = squash(shared.in[r * shared.stride + j], form);
                const float own_s = scale * squashed, factor = expf(own_s);
                x[r * values + thread] = x[r * values + thread] * factor + t;
                s[r * changed + j] = own_s;
                if (r < valid) {
                    const int place = (2 * c * rows + first + r) * changed + j;
                    pass.out[place] = squashed;
                    pass.out[place + half] = factor;
                }
            }
        }
        __syncthreads();
        if (thread < R) {
            float total = 0.0f;
#pragma unroll 4
            for (int i = 0; i < (SPLINES ? all->spline.list : changed); i++) total += s[thread * changed + i];
            log_det[thread] += total;
        }
    }
    __syncthreads();

    if (thread < values) {
#pragma unroll
        for (int r = 0; r < R; r++) {
            d[r * values + thread] = r < valid && thread < features ? x[r * values + thread] * pass.per_row : 0.0f;
        }
    }
    if (thread < valid) {
        float total = 0.0f;
#pragma unroll 1
        for (int feature = 0; feature < features; feature++) {
            const float value = x[thread * values + feature];
            total += 0.5f * value * value;
        }
        pass.row_loss[first + thread] = (double)total - log_det[thread];
    }
    __syncthreads();

    // Nobody asks for the gradient of the first rows.
    const int before = LUS ? all->lus_before[0] : 0;
#pragma unroll 1
    for (int c = pass.couplings - 1; c >= -LUS; c--) {
        if (LUS) {
#pragma unroll 1
            for (int lu = all->lus_before[c + 1] - 1; lu >= (c < 0 ? 0 : all->lus_before[c]); lu--) {
                back_through_lu(R, all, lu, d, x, first, valid);
            }
            if (c < 0) break;
        }
        if (thread < changed) {
#pragma unroll
            for (int r = 0; r < (SPLINES ? R : 2 * R); r++) {
                const int left = SPLINES && r < valid;
                shared.in[r * shared.stride + thread] = left ? pass.out[(c * rows + first + r) * changed + thread] : 0.0f;
            }
        }
        __syncthreads();
        if (SPLINES) {
            const int r = thread / values, feature = thread % values;
            const int j = r < valid ? pass.role[c * values + feature] : -1;
            if (j >= 0) {
                const float value = pass.x[(c * rows + first + r) * values + feature];
                float* slope = d + r * values + feature;
                *slope = back_through_spline(all->spline, shared.in + r * shared.stride + j, value, *slope, pass.per_row);
            }
        }
        const int j = !SPLINES && thread < values ? pass.role[c * values + thread] : -1;
        if (j >= 0) {
            const float scale = bound_of(pass.values, pass.scale, c * changed + j, form);
#pragma unroll
            for (int r = 0; r < R; r++) {
                if (r >= valid) continue;
                const float d_t = d[r * values + thread];
                shared.in[(to_t + r) * shared.stride + j] = d_t;
                if (form == FORM_ADDITIVE) continue;
                const int place = (2 * c * rows + first + r) * changed + j;
                const float squashed = pass.out[place], factor = pass.out[place + half];
                const float before = pass.x[(c * rows + first + r) * values + thread];
                const float d_s = d_t * factor * before - pass.per_row;
                d[r * values + thread] = d_t * factor;
                pass.product[(c * rows + first + r) * changed + j] = d_s * squashed;
                shared.in[r * shared.stride + j] = d_s * scale * squash_slope(squashed, factor, form);
            }
        }
        __syncthreads();
        if (thread < changed) {
#pragma unroll
            for (int r = 0; r < R; r++) {
                if (r >= valid) continue;
                const int place = (networks * c * rows + first + r) * changed + thread;
                pass.d_out[place] = shared.in[r * shared.stride + thread];
                if (networks > 1) pass.d_out[place + half] = shared.in[(R + r) * shared.stride + thread];
            }
        }
        const int asked = c > 0 || before > 0;
#pragma unroll 1
        for (int depth = pass.hidden_layers; depth >= !asked; depth--) {
            const int inputs = depth == 0 ? kept : width;
            const Share own = depth == pass.hidden_layers ? narrow : wide;
            const float* weights = pass.values + map_offset(&pass, depth) + networks * c * (inputs + 1) * own.outputs;
            const int place = (((depth - 1) * pass.couplings + c) * networks * rows + first) * width;
            back_through_map(R, shared, own, inputs, weights, depth == 0 ? NULL : pass.hidden + place,
                          depth == 0 ? NULL : pass.d_hidden + place, rows * width, valid, pass.is_tanh);
            float* other = shared.in;
            shared.in = shared.out;
            shared.out = other;
        }
        const int k = asked && thread < values ? pass.slot[c * values + thread] : -1;
        if (k >= 0) {
#pragma unroll
            for (int r = 0; r < R; r++) {
                float found = shared.in[r * shared.stride + k];
                if (networks > 1) found += shared.in[(R + r) * shared.stride + k];
                d[r * values + thread] += found;
            }
        }
        __syncthreads();
    }
}

#ifdef __CUDACC__
// Two blocks on a multiprocessor, so that flows of several trials find room beside each other.
#define TWO_BLOCKS(name) extern "C" __global__ void __launch_bounds__(PASS_THREADS, 2) name(const Pass* pass);
TWO_BLOCKS(pass_1)
TWO_BLOCKS(pass_2)
TWO_BLOCKS(pass_4)
TWO_BLOCKS(pass_8)
TWO_BLOCKS(pass_lu_1)
TWO_BLOCKS(pass_lu_2)
TWO_BLOCKS(pass_lu_4)
TWO_BLOCKS(pass_lu_8)
TWO_BLOCKS(pass_spline_1)
TWO_BLOCKS(pass_spline_2)
TWO_BLOCKS(pass_spline_4)
TWO_BLOCKS(pass_spline_8)
#endif

// R rows a block. The wider the values that stand in shared memory, the fewer rows: see `Whole` in step/whole.rs. `pass_lu_*`: with
// LU maps; `pass_spline_*`: by splines, with or without.
KERNEL void pass_1(const Pass* pass) {
    __shared__ Four room[1024];
    pass_together(1, 0, 0, pass, room->v);
}

KERNEL void pass_2(const Pass* pass) {
    __shared__ Four room[2048];
    pass_together(2, 0, 0, pass, room->v);
}

KERNEL void pass_4(const Pass* pass) {
    __shared__ Four room[3072];
    pass_together(4, 0, 0, pass, room->v);
}

KERNEL void pass_8(const Pass* pass) {
    __shared__ Four room[3072];
    pass_together(8, 0, 0, pass, room->v);
}

KERNEL void pass_lu_1(const Pass* pass) {
    __shared__ Four room[1024];
    pass_together(1, 0, 1, pass, room->v);
}

KERNEL void pass_lu_2(const Pass* pass) {
    __shared__ Four room[2048];
    pass_together(2, 0, 1, pass, room->v);
}

KERNEL void pass_lu_4(const Pass* pass) {
    __shared__ Four room[3072];
    pass_together(4, 0, 1, pass, room->v);
}

KERNEL void pass_lu_8(const Pass* pass) {
    __shared__ Four room[3072];
    pass_together(8, 0, 1, pass, room->v);
}

KERNEL void pass_spline_1(const Pass* pass) {
    __shared__ Four room[1024];
    pass_together(1, 1, 1, pass, room->v);
}

KERNEL void pass_spline_2(const Pass* pass) {
    __shared__ Four room[2048];
    pass_together(2, 1, 1, pass, room->v);
}

KERNEL void pass_spline_4(const Pass* pass) {
    __shared__ Four room[3072];
    pass_together(4, 1, 1, pass, room->v);
}

KERNEL void pass_spline_8(const Pass* pass) {
    __shared__ Four room[3072];
    pass_together(8, 1, 1, pass, room->v);
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

// The gradients of LU maps, by the formulas of `lu_gradient`, as sums over rows: `blocks` blocks a map, each of 256 threads for 32
// values, those of the bias behind the matrix. partial: the sums of squares of what blocks wrote.
KERNEL void lu_gradients(const Pass* pass, float* gradient, int blocks, double* partial) {
    __shared__ float sums[256];
    const int number = blockIdx.x / blocks, features = pass->features, values = pass->row, rows = pass->rows;
    const LuMap lu = pass->lus[number];
    const LuRows all = pass->lu_rows;
    const int thread = threadIdx.x, at = 32 * (blockIdx.x % blocks) + thread % 32, i = at / features, j = at % features;
    const int has = i <= features, is_bias = i == features, start = number * rows * values;
    const float* left = (is_bias || i > j ? all.d_z : all.d_between) + start;
    const float* right = (i > j ? all.between : all.x) + start;
    const int left_column = has ? lu.columns[is_bias ? j : i] : 0, right_column = has ? lu.columns[j] : 0;
    // Eight teams share the rows.
    float sum = 0.0f;
#pragma unroll 4
    for (int row = has ? thread / 32 : rows; row < rows; row += 8) {
        const float value = left[row * values + left_column];
        sum += is_bias ? value : value * right[row * values + right_column];
    }
    sums[thread] = sum;
    __syncthreads();
    double squared = 0.0;
    if (thread < 32 && has) {
        for (int team = 1; team < 8; team++) sum += sums[team * 32 + thread];
        if (i == j) sum = sum * expf(pass->values[lu.matrix + at]) - 1.0f;
        gradient[is_bias ? lu.bias + lu.order[j] : lu.matrix + at] = sum;
        squared = (double)sum * sum;
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
