# Lets the network reach Coder's port, or not: by whether Coder has said, in this
# boot, that it has a first user. May be called at any time and by several at once.

exec 9>"$RUNTIME_LOCK"
flock 9

names=
for name in $INTERFACES; do
  names+="${names:+, }\"$name\""
done

# Named twice, so that removing it does not fail where there is none yet. All of
# it is one transaction: there is no moment without a rule.
remove="table inet coder-port
delete table inet coder-port"

if [ -n "$FIRST_USER_FLAG" ] && [ -e "$FIRST_USER_FLAG" ]; then
  nft -f - <<<"$remove"
  echo "Coder has a first user: who reaches its port is the firewall's to say"
else
  nft -f - <<<"$remove
table inet coder-port {
  chain input {
    type filter hook input priority filter - 10; policy accept;
    iifname { $names } accept
    tcp dport $PORT drop
  }
}"
  echo "Coder's port is closed to the network"
fi
