#!/bin/sh
# What every workspace does when it starts: fill an empty home, look whether there is
# room in it, install dotfiles, clone a repository, start the editor of the browser.
# What cannot be done is told in one sentence, in the log that the dashboard shows, and
# the rest is done all the same.
#
#   WORKSPACE_DOTFILES, WORKSPACE_REPOSITORY   addresses for git, or empty
#   WORKSPACE_FOLDER                           where the editor begins
#   WORKSPACE_HOME_GB                          how large the home is meant to get
set -u
wrong=0
cannot() {
  echo "$*" >&2
  wrong=1
}

# The release that is downloaded where there is none.
code_server=4.139.1
code_server_port=${WORKSPACE_CODE_SERVER_PORT:-13337}

fill_home() {
  [ ! -e "$HOME/.bashrc" ] || return 0
  [ ! -d /etc/skel ] || cp -R /etc/skel/. "$HOME"
}

# look_for_room: whether the disk below the home is full, and whether the home is
# larger than what was asked for, which nothing prevents.
look_for_room() {
  free_kb=$(df -Pk "$HOME" | awk 'NR == 2 { print $4 }')
  if [ "${free_kb:-0}" -lt 65536 ]; then
    cannot "The home folder is full: $((${free_kb:-0} / 1024)) MB are left on its disk. Delete what you can spare, in a terminal, and start the workspace again."
    return
  fi
  used_kb=$(timeout 60 du -skx "$HOME" 2>/dev/null | cut -f 1)
  [ "${used_kb:-0}" -le $((${WORKSPACE_HOME_GB:-100} * 1048576)) ] ||
    cannot "The home folder has $((used_kb / 1048576)) GB, more than the ${WORKSPACE_HOME_GB} GB that were asked for: others share this disk, so delete what you can spare."
}

has_git() {
  command -v git >/dev/null || {
    cannot "$1: this image has no git."
    return 1
  }
}

install_dotfiles() {
  [ -n "${WORKSPACE_DOTFILES-}" ] || return 0
  has_git "The dotfiles were not installed" || return 0
  coder dotfiles --yes "$WORKSPACE_DOTFILES" ||
    cannot "The dotfiles of $WORKSPACE_DOTFILES were not installed: look whether the address is right and this machine reaches it."
}

# clone: once, into a folder of the repository's name. What is there is its owner's.
clone() {
  [ -n "${WORKSPACE_REPOSITORY-}" ] || return 0
  has_git "The repository was not cloned" || return 0
  name=${WORKSPACE_REPOSITORY%/}
  name=${name%.git}
  name=${name##*[/:]}
  folder=$HOME/$name
  case $name in
    '' | . | ..)
      cannot "The repository was not cloned: $WORKSPACE_REPOSITORY ends without a name for its folder."
      return
      ;;
  esac
  [ ! -e "$folder" ] || return 0
  # Under its name only when it is whole.
  rm -rf "$folder.part"
  if GIT_TERMINAL_PROMPT=0 git clone -- "$WORKSPACE_REPOSITORY" "$folder.part"; then
    mv "$folder.part" "$folder"
  else
    rm -rf "$folder.part"
    cannot "The repository $WORKSPACE_REPOSITORY was not cloned: look whether the address is right and this machine reaches it."
  fi
}

# find_code_server: prints the program of the image, or of an earlier download
find_code_server() {
  command -v code-server && return
  downloaded=$HOME/.local/lib/code-server-$code_server/bin/code-server
  [ -x "$downloaded" ] && echo "$downloaded"
}

# fetch FROM: to standard output
fetch() {
  if command -v curl >/dev/null; then
    curl --fail --silent --show-error --location --connect-timeout 10 "$1"
  else
    wget -q -T 10 -O - "$1"
  fi
}

download_code_server() {
  case $(uname -m) in
    x86_64) arch=amd64 ;;
    aarch64) arch=arm64 ;;
    *) return 1 ;;
  esac
  to=$HOME/.local/lib/code-server-$code_server
  rm -rf "$to.part"
  mkdir -p "$to.part" || return
  echo "code-server $code_server is downloaded, once"
  if fetch "https://github.com/coder/code-server/releases/download/v$code_server/code-server-$code_server-linux-$arch.tar.gz" |
    tar -xz -C "$to.part" --strip-components=1 && [ -x "$to.part/bin/code-server" ]; then
    rm -rf "$to"
    mv "$to.part" "$to"
  else
    rm -rf "$to.part"
    return 1
  fi
}

start_editor() {
  program=$(find_code_server) || {
    download_code_server && program=$(find_code_server)
  } || {
    cannot "The editor in the browser was not started: this image has no code-server, and it could not be downloaded. Terminals and SSH work all the same."
    return
  }
  # Coder lets nobody but the owner of the workspace reach it.
  nohup "$program" --auth none --bind-addr "127.0.0.1:$code_server_port" \
    --disable-telemetry --disable-update-check "${WORKSPACE_FOLDER:-$HOME}" \
    >"${TMPDIR:-/tmp}/code-server.log" 2>&1 </dev/null &
}

fill_home
look_for_room
install_dotfiles
clone
start_editor
exit "$wrong"
