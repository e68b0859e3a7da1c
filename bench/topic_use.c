/* SPDX-License-Identifier: Apache-2.0 */
#include "topic_use.h"

#include <stdlib.h>

/* Everything not named here is the default, as a user would have it. */
static struct shoal_topic_options options_of(const struct bench_setup *setup, int64_t spin_ns)
{
	return (struct shoal_topic_options){
	    .size = sizeof(struct shoal_topic_options),
	    .message_bytes = setup->bytes,
	    .slots = setup->slots,
	    .payload_bytes = setup->buffers * setup->bytes,
	    .spin_ns = spin_ns,
	};
}

shoal_pub *use_pub(const char *name, const struct bench_setup *setup)
{
	struct shoal_topic_options options = options_of(setup, setup->pub_spin_ns);
	shoal_pub *pub;

	must(shoal_pub_open(&pub, name, SHOAL_CREATE | setup->flags, &options), "shoal_pub_open");
	return pub;
}

shoal_sub *use_sub(const char *name, const struct bench_setup *setup)
{
	struct shoal_topic_options options = options_of(setup, setup->sub_spin_ns);
	shoal_sub *sub;

	must(shoal_sub_open(&sub, name, SHOAL_CREATE | setup->flags, &options), "shoal_sub_open");
	return sub;
}

static struct use_end *end_make(struct bench_side *me)
{
	me->state = calloc(1, sizeof(struct use_end));
	if (me->state == NULL)
		bench_die("out of memory");
	return me->state;
}

void use_open_oneway(struct bench_side *me)
{
	struct use_end *end = end_make(me);

	if (me->side == 0)
		end->pub = use_pub(me->topic, me->setup);
	else
		end->sub = use_sub(me->topic, me->setup);
}

void use_open_bothways(struct bench_side *me)
{
	struct use_end *end = end_make(me);
	const char *out = me->side == 0 ? me->topic : me->topic_back;
	const char *in = me->side == 0 ? me->topic_back : me->topic;

	end->pub = use_pub(out, me->setup);
	end->sub = use_sub(in, me->setup);
}

void use_close(struct bench_side *me)
{
	struct use_end *end = me->state;

	shoal_pub_close(end->pub);
	shoal_pub_close(end->second);
	shoal_sub_close(end->sub);
	free(end);
}
