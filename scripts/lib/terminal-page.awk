# terminal-page.awk: what `tmux capture-pane -e -p` prints, as a page that looks like the terminal.
# Knows the looks that cbox uses (ECMA-48, 8.3.117): bold, dim, and the eight colours.
function style(codes,   parts, count, place, code) {
  count = split(codes, parts, ";")
  if (codes == "") { bold = dim = colour = ""; return }
  for (place = 1; place <= count; place++) {
    code = parts[place] + 0
    if (code == 0) bold = dim = colour = ""
    else if (code == 1) bold = " bold"
    else if (code == 2) dim = " dim"
    else if (code >= 30 && code <= 37) colour = " c" (code - 30)
    else if (code == 39) colour = ""
  }
}
function text(part) {
  gsub(/&/, "\\&amp;", part)
  gsub(/</, "\\&lt;", part)
  gsub(/>/, "\\&gt;", part)
  return part == "" ? "" : "<span class=\"" bold dim colour "\">" part "</span>"
}
BEGIN {
  print "<!doctype html><meta charset=utf-8><style>"
  print "body{margin:0;padding:20px 24px;background:#16181d;color:#d8dade}"
  print "pre{margin:0;font:15px/1.45 'DejaVu Sans Mono',monospace;font-variant-ligatures:none}"
  print ".bold{font-weight:bold}.dim{opacity:.62}.c1{color:#ff7b72}.c2{color:#7ee787}.c3{color:#e3b341}"
  print ".c4{color:#79c0ff}.c5{color:#d2a8ff}.c6{color:#56d4dd}</style><pre>"
}
{
  line = $0
  out = ""
  while (match(line, /\033\[[0-9;]*m/)) {
    out = out text(substr(line, 1, RSTART - 1))
    style(substr(line, RSTART + 2, RLENGTH - 3))
    line = substr(line, RSTART + RLENGTH)
  }
  print out text(line)
}
END { print "</pre>" }
