# SPDX-License-Identifier: Apache-2.0
# Prints the code block of README.md that follows <!-- test: NAME -->; awk -v name=NAME -f ...
$0 == "<!-- test: " name " -->" { wanted = 1; next }
/^```/ && wanted { wanted = 0; inside = 1; next }
/^```/ { inside = 0 }
inside { print; lines++ }
END { exit lines == 0 }
