# shellcheck shell=bash
# Passwords that can be read off a screen and typed.

# Four groups of five from 31 characters without look-alikes (no i, l, o, 0, 1):
# 99 bits, and nothing that an issue file, a shell or a keyboard layout for
# most languages would change.
generate_password() {
  local word
  # head, not a read loop: tr would otherwise wait for the pipe to break.
  word=$(head -c 4096 /dev/urandom | LC_ALL=C tr -dc 'abcdefghjkmnpqrstuvwxyz23456789')
  printf '%s-%s-%s-%s\n' "${word:0:5}" "${word:5:5}" "${word:10:5}" "${word:15:5}"
}
