// SPDX-License-Identifier: Apache-2.0
/*
 * The grammar of one line of requirements.txt that the node hands to pip: what PEP 508 calls a
 * requirement without an address, and pip's --hash option.
 *
 *     line      = name [extras] [versions | "(" versions ")"] [";" marker] { space "--hash=" hash }
 *     name      = letter or digit, then letters, digits, ". _ -", not at the end
 *     extras    = "[" [ name { "," name } ] "]"
 *     versions  = clause { "," clause }
 *     clause    = ( "~=" "===" "==" "!=" "<=" ">=" "<" ">" ) version
 *     version   = letter or digit, then letters, digits, ". _ - + * !"
 *     marker    = and { "or" and }        and  = test { "and" test }
 *     test      = "(" marker ")" | value operator value
 *     operator  = those of a clause, "in", "not in"
 *     value     = a marker's variable | quoted letters, digits, ". _ - + * ! ~" and ","
 *     hash      = ( "sha256:" "sha384:" "sha512:" ) all its hexadecimal digits
 *
 * Space may stand between any two of these. No word of such a line begins with "-" but --hash=, so
 * pip reads no option in it: pip looks for options at every space, also inside of quotes.
 */
#pragma once

#include "base/slice.h"

/* `text` is of printable ASCII. NULL: it fits; else why it does not, a static text. */
const char *requirement_line_check(struct slice text);
