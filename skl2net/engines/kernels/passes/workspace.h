/* A network in memory, padded to whole vectors, and room for a block of rows. */

/* The vectors over all parameters that a pass uses. */
enum { PARAMETERS, GRADIENT, MOMENTS };
constexpr int N_VECTORS = MOMENTS + MAX_MOMENTS;

/* One weight layer. Rows of the weights, activations and deltas have `ld` numbers, a multiple of ROW_STEP; what stands
 * beyond `out` is zero in weights and deltas. Each vector's part is in the caller's flat vector where no padding is
 * needed, and in memory of the workspace otherwise (`memory` is not nullptr then). */
struct layer_t {
    index_t in, out, ld;
    struct {
        real *weights, *biases, *memory;
    } part[N_VECTORS];
    real *activation, *delta;
    int banded; /* how the weights' parts are stored, see `element` */
};

/* A batch of CSR whose entries are sorted by column, see sparse.h. */
struct entry_t;
struct sorted_batch_t {
    int32_t *column_ends; /* entries up to the end of each column */
    entry_t *entries;
};

/* Number of batches that are sorted in one loop, each by one thread. */
constexpr int SORTED_AHEAD = 4;

struct workspace_t {
    call_t *call;
    sharing_t sharing;
    layer_t *layers;
    index_t n_layers, block;
    real *input;               /* gathered rows of a block */
    real *target;              /* one row of targets, padded with zeros; for each thread */
    real *log_of, *log_weight; /* of each row of a block, see `row_loss` */
    real *scratch;             /* for `product`; for each thread */
    double *totals;            /* of the chunks of a loop */
    real *memory;
    int is_sorted; /* whether the first layer is updated from sorted batches of CSR, see sparse.h */
    sorted_batch_t batches[SORTED_AHEAD], *batch; /* the current one of them */
    index_t n_entries;                            /* for which each has room */

    ~workspace_t()
    {
        free(memory);
        free(totals);
        free(layers);
        for (sorted_batch_t &sorted : batches) {
            free(sorted.column_ends);
            free(sorted.entries);
        }
    }
};

/* How many vectors a pass works with: parameters for the outputs, a gradient too, or the moments of updates as well. */
enum { FOR_OUTPUTS = PARAMETERS + 1, FOR_GRADIENT, FOR_UPDATES };

/* Parameters of a chunk of an update, and rows of a chunk of a loss: fixed, so that sums over chunks are the same for any
 * number of threads. */
constexpr index_t UPDATE_CHUNK = 4096, LOSS_CHUNK = 64;

#define LAYERS(ws) for (layer_t *layer = (ws)->layers; layer < (ws)->layers + (ws)->n_layers; layer++)

/* Call action(first, stop, chunk, worker) for each chunk of `step` of n items, which take `work` in all. */
template <typename Action>
INLINE void share_items(const workspace_t *ws, index_t n, index_t step, index_t work, const Action &action)
{
    share((n + step - 1) / step, work >= SHARED_WORK ? ws->call->n_threads : 1,
          [=](index_t chunk, int worker) { action(chunk * step, min_index(n, (chunk + 1) * step), chunk, worker); });
}

/* Sum of the chunks' totals. */
double total(const workspace_t *ws, index_t n_chunks)
{
    double total = 0;
    for (index_t i = 0; i < n_chunks; i++)
        total += ws->totals[i];
    return total;
}

/* Number of columns of input, which are rows of the first layer's weights, in a chunk of a sparse update: their gradient
 * takes at most half of the first-level cache. */
INLINE index_t columns_per_chunk(const layer_t *layer) { return max_index(1, 2048 / layer->ld); }

INLINE index_t n_column_chunks(const layer_t *layer)
{
    return (layer->in + columns_per_chunk(layer) - 1) / columns_per_chunk(layer);
}

/* Whether a layer's part of vector v needs memory of its own: for padding, or because no caller has such a vector. */
int has_memory(const layer_t *layer, int v, int n_vectors)
{
    return layer->ld != layer->out || layer->banded || (v == GRADIENT && n_vectors > FOR_GRADIENT);
}

/* Lay out a workspace that is all zero for blocks of at most `rows` rows, which are gathered if they are dense and do not
 * follow each other in the order, with weights in bands or not; 0 on success, -1 without memory. */
int reserve(workspace_t *ws, call_t *call, const index_t *order, index_t rows, int n_vectors, int banded)
{
    const network_t *network = &call->network;
    const index_t n_layers = network->n_layers;
    const int n_threads = call->n_threads, gather = order && !call->data.indptr;
    index_t n_parts = 0, width = 0, n_totals = 1;
    ws->call = call;
    begin_sharing(&ws->sharing, n_threads);
    ws->n_layers = n_layers;
    ws->layers = allocate_zeros<layer_t>(n_layers);
    if (!ws->layers)
        return -1;
    for (index_t i = 0; i < n_layers; i++) {
        layer_t *layer = ws->layers + i;
        layer->in = network->sizes[i];
        layer->out = network->sizes[i + 1];
        layer->ld = round_up(layer->out, ROW_STEP);
        layer->banded = banded && layer->ld > BAND;
        for (int v = 0; v < n_vectors; v++)
            if (has_memory(layer, v, n_vectors))
                n_parts += (layer->in + 1) * layer->ld;
        width += layer->ld;
        n_totals = max_index(n_totals, layer->in * layer->ld / UPDATE_CHUNK + 1);
    }
    n_totals = max_index(n_totals, n_column_chunks(ws->layers));
    /* blocks of rows whose activations stay in the second-level cache */
    ws->block = round_up(min_index(rows, max_index(64, (1 << 17) / width)), ROW_STEP);

    const index_t last = ws->layers[n_layers - 1].ld, n_deltas = n_vectors == FOR_OUTPUTS ? last : width;
    const index_t n_input = gather ? round_up(min_index(ws->block, rows) * network->sizes[0], ROW_STEP) : 0;
    const index_t n_zero = ws->block * n_deltas + n_threads * last + 2 * ws->block;
    n_totals = max_index(n_totals, ws->block / LOSS_CHUNK + 1);
    const index_t n_numbers = n_parts + n_zero + ws->block * width + n_threads * SCRATCH + n_input + ROW_STEP;
    ws->memory = allocate<real>(n_numbers);
    ws->totals = allocate<double>(n_totals);
    if (!ws->memory || !ws->totals)
        return -1;
    use_huge_pages(ws->memory, (size_t)n_numbers * sizeof(real));
    real *next = aligned(ws->memory, ROW_BYTES);
    memset(next, 0, (size_t)n_zero * sizeof(real));
    LAYERS(ws)
        if (n_vectors > FOR_OUTPUTS || layer == ws->layers + n_layers - 1)
            layer->delta = next, next += ws->block * layer->ld;
    ws->target = next, next += n_threads * last;
    ws->log_of = next, next += ws->block;
    ws->log_weight = next, next += ws->block;
    LAYERS(ws)
        layer->activation = next, next += ws->block * layer->ld;
    ws->scratch = next, next += n_threads * SCRATCH;
    ws->input = next, next += n_input;
    LAYERS(ws)
        for (int v = 0; v < n_vectors; v++) {
            layer->part[v].memory = nullptr;
            if (has_memory(layer, v, n_vectors)) {
                layer->part[v].memory = layer->part[v].weights = next;
                layer->part[v].biases = next + layer->in * layer->ld;
                next += (layer->in + 1) * layer->ld;
            }
        }
    return 0;
}

/* Call action(row, i, j, valid, step) for each row of each band of a layer's weights: it has `step` numbers of row i from
 * column j on, of which `valid` are a caller's. */
template <typename Action> INLINE void each_band(const layer_t *layer, real *memory, Action action)
{
    for (index_t j = 0, step = layer->ld; j < layer->ld; j += step)
        for (index_t i = 0; i < layer->in; i++) {
            real *row = element(memory, layer->in, layer->ld, layer->banded, i, j, &step);
            action(row, i, j, min_index(step, layer->out - j), step);
        }
}

/* Call action(layer, weights, biases) with each layer's part of a flat vector: all weights, then all biases. */
template <typename Action> INLINE void each_part(const workspace_t *ws, real *flat, Action action)
{
    real *biases = flat;
    LAYERS(ws)
        biases += layer->in * layer->out;
    LAYERS(ws) {
        action(layer, flat, biases);
        flat += layer->in * layer->out;
        biases += layer->out;
    }
}

INLINE void pad(real *row, const real *values, index_t n, index_t ld)
{
    memcpy(row, values, (size_t)n * sizeof(real));
    memset(row + n, 0, (size_t)(ld - n) * sizeof(real));
}

/* Use a layer's weights and biases as part of vector v: in place, or as a padded copy. */
void take_layer(layer_t *layer, int v, real *weights, real *biases)
{
    real *memory = layer->part[v].memory;
    if (memory) {
        each_band(layer, memory, [=](real *row, index_t i, index_t j, index_t valid, index_t step) {
            pad(row, weights + i * layer->out + j, valid, step);
        });
        pad(layer->part[v].biases, biases, layer->out, layer->ld);
    } else {
        layer->part[v].weights = weights;
        layer->part[v].biases = biases;
    }
}

/* Use a flat vector as vector v. */
void take(workspace_t *ws, int v, real *flat)
{
    each_part(ws, flat, [v](layer_t *layer, real *weights, real *biases) { take_layer(layer, v, weights, biases); });
}

/* Write back to a flat vector what `take` had to copy. */
void give_back(const workspace_t *ws, int v, real *flat)
{
    each_part(ws, flat, [v](const layer_t *layer, real *weights, real *biases) {
        if (!layer->part[v].memory)
            return;
        each_band(layer, layer->part[v].memory, [=](const real *row, index_t i, index_t j, index_t valid, index_t) {
            memcpy(weights + i * layer->out + j, row, (size_t)valid * sizeof(real));
        });
        memcpy(biases, layer->part[v].biases, (size_t)layer->out * sizeof(real));
    });
}
