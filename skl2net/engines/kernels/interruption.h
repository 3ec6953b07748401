/* How a long call ends early.
 *
 * The thread that called says, between loops that it shares with others, how much work comes next. After WORK_PER_LOOK
 * of it, it looks at the clock, and every SECONDS_PER_QUESTION it asks whether the call is to end: that is where Ctrl-C
 * and the cancellation of a search are heard. Once it is, products are left out and loops end. What has been written by
 * then is of no use, but for the state of a run of updates, which is that of the last whole one.
 */
#include "platform.h"

typedef struct {
    int (*is_wanted)(void *context); /* whether the call is to end; NULL if nobody wants that */
    void *context;
    index_t work;
    double time; /* of the last question; 0 before the first look */
    int is_over;
} interruption_t;

#define WORK_PER_LOOK ((index_t)1 << 20) /* multiplications, or the like: a millisecond at most */
#define SECONDS_PER_QUESTION 0.1

static int look_at_clock(interruption_t *interruption)
{
    interruption->work = 0;
    if (interruption->is_over || !interruption->is_wanted)
        return interruption->is_over;
    const double time = seconds();
    if (interruption->time != 0 && time - interruption->time < SECONDS_PER_QUESTION)
        return 0;
    if (interruption->time != 0)
        interruption->is_over = interruption->is_wanted(interruption->context);
    interruption->time = time;
    return interruption->is_over;
}

/* Whether the call is over, asked before work of this size. */
static inline int is_interrupted(interruption_t *interruption, index_t work)
{
    interruption->work += work;
    return interruption->work < WORK_PER_LOOK ? interruption->is_over : look_at_clock(interruption);
}
