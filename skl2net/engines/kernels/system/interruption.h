/* How a long call ends early.
 *
 * The thread that called says, between loops that it shares with others, how much work comes next. After WORK_PER_LOOK
 * of it, it looks at the clock, and every SECONDS_PER_QUESTION it asks whether the call is to end: this is
 * how Ctrl-C and the cancellation of a search take effect. Then products are skipped and loops end. What has been written
 * by then is invalid, except the state of a run of updates, which is that after the last complete update.
 */
#ifndef SKL2NET_INTERRUPTION_H
#define SKL2NET_INTERRUPTION_H

#include "../kernels.h"
#include "platform.h"

namespace {

constexpr index_t WORK_PER_LOOK = 1 << 20; /* multiplications, or the like: a millisecond at most */
constexpr double SECONDS_PER_QUESTION = 0.1;

int look_at_clock(interruption_t *interruption)
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
inline int is_interrupted(interruption_t *interruption, index_t work)
{
    interruption->work += work;
    return interruption->work < WORK_PER_LOOK ? interruption->is_over : look_at_clock(interruption);
}

}

#endif
