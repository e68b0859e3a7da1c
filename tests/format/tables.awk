# SPDX-License-Identifier: Apache-2.0
#
# Turns the tables of docs/format/*.md into C. A table follows a line
#     <!-- layout: STRUCT -->   rows: | offset | bytes | `field` | ...; the last row has the size only
#     <!-- constants -->        rows: | `NAME` | value | ...
# Output, for the tests in this folder:
#     enum { AT_STRUCT_FIELD = offset };  enum { SIZE_STRUCT = size };
#     #define DOC_NAME value
#     #define DOC_FIELDS(X) X(struct, field, offset, bytes) ...    bytes 0: a flexible array
#     #define DOC_SIZES(X) X(struct, size) ...
#     #define DOC_CONSTANTS(X) X(name, value) ...

function cell(i,    text) {
	text = column[i]
	gsub(/[ `,]/, "", text)
	return text
}

/^<!-- layout: / {
	struct = $3
	what = "layout"
	next
}

/^<!-- constants -->/ {
	what = "constants"
	next
}

/^\|/ && what != "" {
	in_table = 1
	split($0, column, "|")
	if (cell(2) ~ /^(offset|name|-+)$/)
		next
	if (what == "constants") {
		constants = constants sprintf(" X(%s, %s)", cell(2), cell(3))
		printf "#define DOC_%s %s\n", cell(2), cell(3)
	} else if (cell(4) == "") {
		sizes = sizes sprintf(" X(%s, %s)", struct, cell(2))
		printf "enum { SIZE_%s = %s };\n", struct, cell(2)
	} else {
		bytes = cell(3) == "rest" ? 0 : cell(3)
		fields = fields sprintf(" X(%s, %s, %s, %s)", struct, cell(4), cell(2), bytes)
		printf "enum { AT_%s_%s = %s };\n", struct, cell(4), cell(2)
	}
	next
}

in_table {
	what = ""
	in_table = 0
}

END {
	print "#define DOC_FIELDS(X)" fields
	print "#define DOC_SIZES(X)" sizes
	print "#define DOC_CONSTANTS(X)" constants
}
