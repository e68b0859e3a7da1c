# SPDX-License-Identifier: Apache-2.0
#
# The layers of the library. A module may include itself and what is below it; `below` names for
# each the modules directly below, and what these may include is below it as well.

BEGIN {
	below["base"] = ""
	below["histogram"] = "base"
	below["os"] = "base"
	below["guard"] = "os"
	below["pages"] = "os"
	below["segment"] = "guard"
	below["seat"] = "segment"
	below["object"] = "seat"
	below["wait"] = "object"
	below["lane"] = "wait"
	below["topic"] = "lane"
	below["registry"] = "object"
	below["block"] = "object pages"
	below["kinds"] = "topic block registry"

	# Only os talks to the kernel: by these headers, and by these functions of others. Clocks
	# and sleeping too, so that a test can be in charge of time.
	n = split("unistd.h fcntl.h dirent.h poll.h sched.h signal.h syscall.h " \
		"sys/epoll.h sys/eventfd.h sys/file.h sys/inotify.h sys/ioctl.h sys/ipc.h " \
		"sys/mman.h sys/prctl.h sys/ptrace.h sys/random.h sys/resource.h sys/sem.h " \
		"sys/shm.h sys/signalfd.h sys/socket.h sys/stat.h sys/statfs.h sys/statvfs.h " \
		"sys/syscall.h sys/time.h sys/timerfd.h sys/vfs.h sys/wait.h", list, " ")
	for (i = 1; i <= n; i++)
		only_os_header[list[i]] = 1
	only_os_call = "clock_gettime|gettimeofday|nanosleep|clock_nanosleep|syscall|getpid|" \
		"thrd_sleep|timespec_get|time"
	# A library neither prints nor ends the process that called it.
	never_call = "abort|exit|_exit|_Exit|quick_exit|printf|fprintf|vprintf|vfprintf|dprintf|" \
		"perror|puts|fputs|putchar|syslog|err|errx|warn|warnx|raise|system"

	max_lines = 700
	max_columns = 100
}

function breach(what) {
	printf "%s:%d: %s\n", FILENAME, FNR, what
	breaches++
}

# May `from` include `to`?
function allowed(from, to,    i, n, direct) {
	if (from == to)
		return 1
	n = split(below[from], direct, " ")
	for (i = 1; i <= n; i++)
		if (allowed(direct[i], to))
			return 1
	return 0
}

function columns(line,    i, c, width) {
	width = 0
	for (i = 1; i <= length(line); i++) {
		c = substr(line, i, 1)
		if (c == "\t")
			width += 8 - width % 8
		else if (c < "\200" || c >= "\300") # not a further byte of a UTF-8 character
			width++
	}
	return width
}

# The line without comments and the insides of strings; in_comment lives from line to line.
function code(line,    out, i, two, c, quote) {
	out = ""
	quote = ""
	for (i = 1; i <= length(line); i++) {
		c = substr(line, i, 1)
		two = substr(line, i, 2)
		if (in_comment) {
			if (two == "*/") {
				in_comment = 0
				i++
			}
		} else if (quote != "") {
			if (c == "\\")
				i++
			else if (c == quote) {
				quote = ""
				out = out c
			}
		} else if (two == "/*") {
			in_comment = 1
			i++
			out = out " "
		} else if (two == "//") {
			break
		} else {
			if (c == "\"" || c == "'")
				quote = c
			out = out c
		}
	}
	return out
}

# Does `text` call one of `names` (an alternation)? Not as a member: os->close() is no close().
function calls(text, names) {
	return (" " text) ~ ("[^A-Za-z0-9_.>](" names ")[ \t]*\\(")
}

function include_in_src(kind, path,    to, slash) {
	if (kind == "<") {
		if ((path in only_os_header || path ~ /^(linux|asm)\//) && module != "os" && !test)
			breach("<" path "> is for src/os only")
		return
	}
	slash = index(path, "/")
	to = slash ? substr(path, 1, slash - 1) : module
	if (path ~ /\.\./)
		breach("\"" path "\": name the module, not the way to it")
	else if (!(to in below))
		breach("\"" path "\": no such module")
	else if (!allowed(module, to))
		breach("\"" path "\": " to " is not below " module)
}

# Everything but the library itself knows <shoal/...> and what lies in its own folder.
function include_outside(kind, path,    first) {
	first = path
	sub(/\/.*/, "", first)
	if (path ~ /\.\./ || path ~ /^src\// || (first in below && path ~ /\//))
		breach("\"" path "\": only <shoal/...> may be used here")
}

FNR == 1 {
	in_comment = 0
	split(FILENAME, part, "/")
	top = part[1]
	module = part[3] == "" ? "" : part[2]
	test = FILENAME ~ /_(test\.c|rig\.h)$/
	if (top == "src" && !(module in below))
		breach("no such module; the modules are named in tests/layers/layers.awk")
}

FNR == max_lines + 1 {
	breach("more than " max_lines " lines")
}

columns($0) > max_columns {
	breach("more than " max_columns " columns")
}

{
	if (!in_comment && match($0, /^[ \t]*#[ \t]*include[ \t]*[<"][^>"]+/)) {
		path = substr($0, RSTART, RLENGTH)
		sub(/^[^<"]*/, "", path)
		kind = substr(path, 1, 1)
		path = substr(path, 2)
		if (top == "src")
			include_in_src(kind, path)
		else if (top ~ /^(cli|bridge|bindings|bench|examples)$/)
			include_outside(kind, path)
		else if (top == "include" && (kind != "<" || path !~ /^[a-z\/]+\.h$/))
			breach("public headers include <shoal/...> and the C library's headers")
	}
	text = code($0)
	if (top == "src" && module != "os" && !test) {
		if (calls(text, never_call))
			breach("the library neither prints nor ends the process")
		if (calls(text, only_os_call))
			breach("system calls and clocks belong to src/os")
	}
}

END {
	exit breaches > 0
}
