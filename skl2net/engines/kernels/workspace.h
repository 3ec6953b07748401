/* A network in memory, padded to whole vectors, and room for a block of rows. */

/* The vectors over all parameters that a pass works with. */
enum { NAME(PARAMETERS), NAME(GRADIENT), NAME(MOMENTS), NAME(N_VECTORS) = NAME(MOMENTS) + MAX_MOMENTS };

/* One weight layer. Rows of the weights, activations and deltas have `ld` numbers, a multiple of ROW_STEP; what stands
 * beyond `out` is zero in weights and deltas. Each vector's part is in the caller's flat vector where no padding is
 * needed, and in memory of the workspace otherwise (`memory` is then not NULL). */
typedef struct {
    index_t in, out, ld;
    struct {
        REAL *weights, *biases, *memory;
    } part[NAME(N_VECTORS)];
    REAL *activation, *delta;
    int banded; /* how the weights' parts are stored, see `element` */
} NAME(layer);

typedef struct {
    const network_t *network;
    int n_threads;
    interruption_t *interruption;
    NAME(layer) *layers;
    index_t n_layers, block;
    REAL *input;      /* gathered rows of a block */
    REAL *target;     /* one row of targets, padded with zeros; for each thread */
    REAL *log_of, *log_weight; /* of each row of a block, see `row_loss` */
    REAL *scratch;    /* for `product`; for each thread */
    double *totals;   /* of the chunks of a loop */
    void *memory;
    int is_sorted; /* whether the first layer is updated from sorted batches of CSR, see sparse.h */
    sorted_batch_t batches[SORTED_AHEAD], *batch; /* the current one of them */
    index_t n_entries;      /* for which each has room */
} NAME(workspace);

/* How many vectors a pass works with: parameters for the outputs, a gradient too, or the moments of updates as well. */
enum { NAME(FOR_OUTPUTS) = NAME(PARAMETERS) + 1, NAME(FOR_GRADIENT), NAME(FOR_UPDATES) };

/* Parameters of a chunk of an update, and rows of a chunk of a loss: fixed, so that sums over chunks are the same for any
 * number of threads. */
#define UPDATE_CHUNK ((index_t)4096)
#define LOSS_CHUNK ((index_t)64)

#define LAYERS(ws) for (NAME(layer) *layer = (ws)->layers; layer < (ws)->layers + (ws)->n_layers; layer++)

FUNCTION void NAME(release)(NAME(workspace) *ws)
{
    end_sharing(ws->n_threads);
    free(ws->memory);
    free(ws->totals);
    free(ws->layers);
    for (int i = 0; i < SORTED_AHEAD; i++) {
        free(ws->batches[i].column_ends);
        free(ws->batches[i].entries);
    }
}

/* Sum of the chunks' totals. */
FUNCTION double NAME(total)(const NAME(workspace) *ws, index_t n_chunks)
{
    double total = 0;
    for (index_t i = 0; i < n_chunks; i++)
        total += ws->totals[i];
    return total;
}

/* Columns of input, which are rows of the first layer's weights, of a chunk of a sparse update: their part of the gradient
 * takes half of the first-level cache at most. */
INLINE index_t NAME(columns_per_chunk)(const NAME(layer) *layer) { return max_index(1, 2048 / layer->ld); }

INLINE index_t NAME(n_column_chunks)(const NAME(layer) *layer)
{
    return (layer->in + NAME(columns_per_chunk)(layer) - 1) / NAME(columns_per_chunk)(layer);
}

/* Whether a layer's part of vector v needs memory of its own: for padding, or since no caller has such a vector. */
FUNCTION int NAME(has_memory)(const NAME(layer) *layer, int v, int n_vectors)
{
    return layer->ld != layer->out || layer->banded || (v == NAME(GRADIENT) && n_vectors > NAME(FOR_GRADIENT));
}

/* Lay a workspace out for blocks of at most `rows` rows, which are gathered if they are dense and do not follow each
 * other, with weights in bands or not; 0 on success, -1 without memory. */
FUNCTION int NAME(reserve)(NAME(workspace) *ws, const network_t *network, int n_threads, interruption_t *interruption,
                           index_t rows, int n_vectors, int gather, int banded)
{
    const index_t n_layers = network->n_layers;
    index_t n_parts = 0, width = 0, n_totals = 1;
    memset(ws, 0, sizeof *ws);
    ws->network = network;
    ws->n_threads = n_threads;
    begin_sharing(n_threads);
    ws->interruption = interruption;
    ws->n_layers = n_layers;
    ws->layers = calloc((size_t)n_layers, sizeof *ws->layers);
    if (!ws->layers)
        return -1;
    for (index_t i = 0; i < n_layers; i++) {
        NAME(layer) *layer = ws->layers + i;
        layer->in = network->sizes[i];
        layer->out = network->sizes[i + 1];
        layer->ld = round_up(layer->out, ROW_STEP);
        layer->banded = banded && layer->ld > BAND;
        for (int v = 0; v < n_vectors; v++)
            if (NAME(has_memory)(layer, v, n_vectors))
                n_parts += (layer->in + 1) * layer->ld;
        width += layer->ld;
        n_totals = max_index(n_totals, layer->in * layer->ld / UPDATE_CHUNK + 1);
    }
    n_totals = max_index(n_totals, NAME(n_column_chunks)(ws->layers));
    /* blocks of rows whose activations stay in the second-level cache */
    ws->block = round_up(min_index(rows, max_index(64, (1 << 17) / width)), ROW_STEP);

    const index_t last = ws->layers[n_layers - 1].ld, n_deltas = n_vectors == NAME(FOR_OUTPUTS) ? last : width;
    const index_t n_input = gather ? round_up(min_index(ws->block, rows) * network->sizes[0], ROW_STEP) : 0;
    const index_t n_zero = ws->block * n_deltas + n_threads * last + 2 * ws->block;
    n_totals = max_index(n_totals, ws->block / LOSS_CHUNK + 1);
    const size_t bytes =
        (size_t)(n_parts + n_zero + ws->block * width + n_threads * SCRATCH + n_input + ROW_STEP) * sizeof(REAL);
    ws->memory = malloc(bytes);
    ws->totals = malloc((size_t)n_totals * sizeof(double));
    if (!ws->memory || !ws->totals)
        return -1;
    use_huge_pages(ws->memory, bytes);
    REAL *next = (REAL *)(((uintptr_t)ws->memory + ROW_BYTES - 1) / ROW_BYTES * ROW_BYTES);
    memset(next, 0, (size_t)n_zero * sizeof(REAL));
    LAYERS(ws)
        if (n_vectors > NAME(FOR_OUTPUTS) || layer == ws->layers + n_layers - 1)
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
            layer->part[v].memory = NULL;
            if (NAME(has_memory)(layer, v, n_vectors)) {
                layer->part[v].memory = layer->part[v].weights = next;
                layer->part[v].biases = next + layer->in * layer->ld;
                next += (layer->in + 1) * layer->ld;
            }
        }
    return 0;
}

/* `action` on each row of each band of a layer's weights: it has step numbers from column j on, of which `valid` are a
 * caller's. */
#define EACH_BAND(layer, memory, action)                                                                          \
    for (index_t j = 0, step = (layer)->ld; j < (layer)->ld; j += step)                                           \
        for (index_t i = 0; i < (layer)->in; i++) {                                                               \
            REAL *row = NAME(element)(memory, (layer)->in, (layer)->ld, (layer)->banded, i, j, &step);            \
            const index_t valid = min_index(step, (layer)->out - j);                                              \
            action;                                                                                               \
        }

INLINE void NAME(pad)(REAL *row, const REAL *values, index_t n, index_t ld)
{
    memcpy(row, values, (size_t)n * sizeof(REAL));
    memset(row + n, 0, (size_t)(ld - n) * sizeof(REAL));
}

/* Work with a layer's weights and biases as part of vector v: in place, or from a padded copy. */
FUNCTION void NAME(take_layer)(NAME(layer) *layer, int v, REAL *weights, REAL *biases)
{
    REAL *memory = layer->part[v].memory;
    if (memory) {
        EACH_BAND(layer, memory, NAME(pad)(row, weights + i * layer->out + j, valid, step))
        NAME(pad)(layer->part[v].biases, biases, layer->out, layer->ld);
    } else {
        layer->part[v].weights = weights;
        layer->part[v].biases = biases;
    }
}

/* Work with a flat vector (all weights, then all biases) as vector v. */
FUNCTION void NAME(take)(NAME(workspace) *ws, int v, REAL *flat)
{
    REAL *biases = flat;
    LAYERS(ws)
        biases += layer->in * layer->out;
    LAYERS(ws) {
        NAME(take_layer)(layer, v, flat, biases);
        flat += layer->in * layer->out;
        biases += layer->out;
    }
}

/* Write back to a flat vector what `take` had to copy. */
FUNCTION void NAME(give_back)(const NAME(workspace) *ws, int v, REAL *flat)
{
    REAL *biases = flat;
    LAYERS(ws)
        biases += layer->in * layer->out;
    LAYERS(ws) {
        REAL *memory = layer->part[v].memory;
        const size_t bytes = (size_t)layer->out * sizeof(REAL);
        if (memory) {
            EACH_BAND(layer, memory, memcpy(flat + i * layer->out + j, row, (size_t)valid * sizeof(REAL)))
            memcpy(biases, layer->part[v].biases, bytes);
        }
        flat += layer->in * layer->out;
        biases += layer->out;
    }
}
