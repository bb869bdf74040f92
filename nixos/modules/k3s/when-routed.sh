# k3s takes its address from the default route and ends at once without one. It is
# started when there is one, however late that is.

said=no
while [ -z "$(ip -4 route show default)$(ip -6 route show default)" ]; do
  if [ "$said" = no ]; then
    echo "k3s waits for a network: there is no default route"
    said=yes
  fi
  sleep 3
done
systemctl start --no-block k3s.service
