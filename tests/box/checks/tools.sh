# what a person at the machine finds: git, an editor, Coder's command line
fresh
start
check "the machine is up" eventually 60 is_active multi-user.target
for program in git vim coder; do
  check "$program is there" in_box "bash --login -c 'command -v $program'"
done
check "Coder's command line knows where Coder is" same \
  "$(in_box "bash --login -c 'echo \$CODER_URL'")" "http://localhost:3000"
