#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The examples of blocks, and the bare calls beside them, give the same.
set -eu
bin=$SHOAL_BUILD/examples

i=0
while [ $i -lt 500 ]; do
	echo "student-$i $((i % 50 / 10)).$((i % 10))"
	i=$((i + 1))
done >records

# The reader is there first, and sees each record whole while the file grows under it.
timeout 60 "$bin/students" file:./school read 500 >seen &
reader=$!
head -n 200 records | timeout 60 "$bin/students" file:./school append
tail -n +201 records | timeout 60 "$bin/students" file:./school append
wait $reader
cmp records seen
timeout 60 "$bin/students" file:./school read 500 | cmp - records

timeout 60 "$bin/students-bare" ./school-bare read 500 >seen-bare &
reader=$!
timeout 60 "$bin/students-bare" ./school-bare append <records
wait $reader
cmp records seen-bare

# No such thing: said, not waited for.
if timeout 60 "$bin/setget" example/note get 2>said; then exit 1; fi
grep -q "no object 'example/note'" said
timeout 60 "$bin/setget" example/note set 'one text'
timeout 60 "$bin/setget" example/note set 'and another'
[ "$(timeout 60 "$bin/setget" example/note get)" = 'and another' ]
rm "$SHOAL_DIR/shoal:example:note"

# These know no SHOAL_DIR: a name that nobody else has.
bare=/setget-bare-$$
trap '"$bin/setget-bare" $bare remove 2>/dev/null || :' EXIT
"$bin/setget-bare" $bare set 'and another'
[ "$("$bin/setget-bare" $bare get)" = 'and another' ]
