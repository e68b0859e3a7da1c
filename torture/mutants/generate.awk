# SPDX-License-Identifier: Apache-2.0
#
# awk -f generate.awk -v file=src/lane/lane.h src/lane/lane.h
#
# Prints one mutant a line, tab-separated:
#
#   file, function, kind, text, where it begins (bytes, from 0), how many bytes, what stands there
#   instead ("\n" for a line's end)
#
# KINDS. order: an atomic operation becomes relaxed. drop: a store (or a read-modify-write whose
# result nobody looks at) is left out. swap: it comes after the statement behind it. fence: a fence
# or a membarrier is left out. bound: a check whose failure is said (EBADMSG and the like) never
# fails, or one of its alternatives doesn't; a comparison in a reader always or never holds. never, always: a branch of a repair is never, always
# taken. call: a call in a repair is left out.
#
# It reads text, not C. What it takes for a mutant and is none does not compile, and is counted as
# stillborn. Written for any awk.

{ source = source $0 "\n" }

function blank_out(   i, c, n, state, out) {
	# Comments, strings and characters become spaces, so that positions stay.
	n = length(source)
	state = ""
	out = ""
	for (i = 1; i <= n; i++) {
		c = substr(source, i, 1)
		if (state == "") {
			if (c == "/" && substr(source, i + 1, 1) == "*") {
				state = "*"
				out = out "  "
				i++
				continue
			}
			if (c == "\"" || c == "'")
				state = c
			out = out (state == "" ? c : " ")
		} else if (state == "*") {
			out = out (c == "\n" ? c : " ")
			if (c == "*" && substr(source, i + 1, 1) == "/") {
				out = out " "
				i++
				state = ""
			}
		} else {
			if (c == "\\") {
				out = out "  "
				i++
				continue
			}
			out = out " "
			if (c == state)
				state = ""
		}
	}
	return out
}

function find_functions(   lines, n, i, line, name, at, depth) {
	n = split(code, lines, "\n")
	name = "-"
	at = 1
	functions = 0
	for (i = 1; i <= n; i++) {
		line = lines[i]
		if (line ~ /^[A-Za-z_].*\(/ && line !~ /;[ \t]*$/) {
			gsub(/__attribute__\(\([a-z_]*\)\)/, "", line)
			sub(/\(.*/, "", line)
			gsub(/.*[ \t*]/, "", line)
			name = line
			functions++
			function_at[functions] = at
			function_name[functions] = name
		}
		at += length(lines[i]) + 1
	}
}

function function_of(at,   i, found) {
	found = "-"
	for (i = 1; i <= functions && function_at[i] <= at; i++)
		found = function_name[i]
	return found
}

# The position of the bracket that closes the one at `at`; 0: none.
function closing(at,   i, c, depth, n) {
	n = length(code)
	depth = 0
	for (i = at; i <= n; i++) {
		c = substr(code, i, 1)
		if (c == "(")
			depth++
		else if (c == ")" && --depth == 0)
			return i
	}
	return 0
}

function plain(text) {
	gsub(/[ \t\n]+/, " ", text)
	sub(/^ /, "", text)
	sub(/ $/, "", text)
	return text
}

function mutant(kind, from, bytes, instead,   shown) {
	shown = plain(substr(source, from, bytes))
	gsub(/\\/, "\\\\", instead)
	gsub(/\n/, "\\n", instead)
	gsub(/\t/, " ", instead)
	printf "%s\t%s\t%s\t%s\t%d\t%d\t%s\n", file, function_of(from), kind, shown, from - 1, bytes,
	       instead == "" ? " " : instead
}

function previous_char(at) {
	for (at--; at > 0 && substr(code, at, 1) ~ /[ \t\n]/; at--)
		;
	return at > 0 ? substr(code, at, 1) : "{"
}

function skip_blanks(at) {
	while (substr(code, at, 1) ~ /[ \t\n]/)
		at++
	return at
}

# The statement that begins at `at`, if it is a simple one: its last position, or 0.
function simple_statement(at,   rest, end) {
	rest = substr(code, at, 600)
	if (rest ~ /^(if|for|while|return|do|switch|else|break|continue|case|goto|static|struct|const|void|bool|int|unsigned|uint|size_t|enum)[^a-z]/ ||
	    rest ~ /^u?int[0-9]+_t/ || rest ~ /^[}{#]/)
		return 0
	end = index(rest, ";")
	if (end == 0 || substr(rest, 1, end) ~ /[{}#]/)
		return 0
	return at + end - 1
}

function relaxed(name, arguments,   text) {
	text = arguments
	if (name ~ /_explicit$/) {
		gsub(/memory_order_(release|acquire|acq_rel|seq_cst|consume)/, "memory_order_relaxed", text)
		return name "(" text ")"
	}
	text = text ", memory_order_relaxed"
	if (name ~ /compare_exchange/)
		text = text ", memory_order_relaxed"
	return name "_explicit(" text ")"
}

function atomics(   at, name, open, close_, args, rest, shift, semicolon, before, next_, last) {
	at = 1
	while (match(substr(code, at), /atomic_[a-z_]+\(/)) {
		shift = at + RSTART - 1
		open = shift + RLENGTH - 1
		name = substr(code, shift, RLENGTH - 1)
		at = open
		if (shift > 1 && substr(code, shift - 1, 1) ~ /[A-Za-z0-9_]/)
			continue
		close_ = closing(open)
		if (!close_)
			continue
		args = substr(source, open + 1, close_ - open - 1)
		semicolon = substr(code, close_ + 1, 1) == ";"
		if (name ~ /fence$/) {
			mutant("fence", shift, close_ - shift + 1, "(void)0")
			continue
		}
		if (name !~ /^atomic_(load|store|exchange|compare_exchange_(strong|weak)|fetch_(add|sub|or|and|xor))(_explicit)?$/)
			continue
		if (args !~ /memory_order_relaxed/)
			mutant("order", shift, close_ - shift + 1, relaxed(name, args))
		before = previous_char(shift)
		if (!semicolon || name ~ /load/ || before !~ /[;{})]/)
			continue
		mutant("drop", shift, close_ - shift + 1, "(void)0")
		next_ = skip_blanks(close_ + 2)
		last = simple_statement(next_)
		if (before != ")" && last)
			mutant("swap", shift, last - shift + 1,
			       substr(source, next_, last - next_ + 1) " " \
			       substr(source, shift, close_ - shift + 2))
	}
}

function barriers(   at, shift) {
	at = 1
	while (match(substr(code, at), /(os->barrier(_register)?|lane_compiler_fence)\(\)/)) {
		shift = at + RSTART - 1
		mutant("fence", shift, RLENGTH, "0")
		at = shift + RLENGTH
	}
}

# The parts of a condition between `operator` at its top level, each replaced by `value`.
function parts(from, to, operator, value,   i, c, depth, begin, count) {
	depth = count = 0
	begin = from
	for (i = from; i <= to + 1; i++) {
		c = substr(code, i, 1)
		if (c == "(")
			depth++
		else if (c == ")")
			depth--
		if (i == to + 1 || (depth == 0 && substr(code, i, 2) == operator)) {
			if (count++ || i <= to) {
				begin = skip_blanks(begin)
				mutant("bound", begin, i - begin - (i <= to && substr(code, i - 1, 1) == " "),
				       value)
			}
			begin = i + 2
			i++
		}
	}
}

function branches(   at, shift, open, close_, body, name, end) {
	at = 1
	while (match(substr(code, at), /[^A-Za-z_]if \(/)) {
		shift = at + RSTART
		open = shift + RLENGTH - 2
		at = open
		close_ = closing(open)
		if (!close_)
			continue
		body = substr(source, close_ + 1, 160)
		end = index(body, ";")
		if (end)
			body = substr(body, 1, end)
		name = function_of(shift)
		if (body ~ /EBADMSG|ENOTSUP|ESTALE|EXDEV|fail_audit/) {
			mutant("bound", open + 1, close_ - open - 1, "0")
			parts(open + 1, close_ - 1, "||", "0")
		}
		else if (name ~ /peek|locate|copy|quick|append|gate_|tag_current|seat_health/ &&
			 substr(code, open, close_ - open) ~ /[^-]>|</) {
			mutant("bound", open + 1, close_ - open - 1, "0")
			mutant("bound", open + 1, close_ - open - 1, "1")
		}
		if (name ~ repairs) {
			mutant("never", open + 1, close_ - open - 1, "0")
			mutant("always", open + 1, close_ - open - 1, "1")
		}
	}
	at = 1
	while (match(substr(code, at), /[^A-Za-z_]return [^;]*&&[^;]*;/)) {
		shift = at + RSTART
		if (function_of(shift) ~ /sane|matches|is_ours|lane_is_there|lane_word_is/)
			parts(shift + 7, shift + RLENGTH - 3, "&&", "1")
		at = shift + RLENGTH - 1
	}
}

function calls(   at, shift, open, close_) {
	at = 1
	while (match(substr(code, at), /\n\t+[a-z_]+(->[a-z_]+)?\(/)) {
		open = at + RSTART + RLENGTH - 2
		shift = skip_blanks(at + RSTART)
		at = open
		close_ = closing(open)
		if (!close_ || substr(code, close_ + 1, 1) != ";")
			continue
		if (function_of(shift) !~ repairs ||
		    substr(code, shift, close_ - shift) ~ /^(atomic_|static_assert)/)
			continue
		mutant("call", shift, close_ - shift + 1, "(void)0")
	}
}

END {
	repairs = "repair|roll|settle|recover|leave_lane|finish_removal|unlink_ours|enter_seat|undo_seat|adopt|retire|close_waking|lane_end|tell_subscribers|object_close|give_back|follow_death"
	code = blank_out()
	find_functions()
	atomics()
	barriers()
	branches()
	calls()
}
