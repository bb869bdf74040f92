# Writes a kubeconfig that holds the service account's token and nothing of the
# administrator's.

secret_field() {
  k3s kubectl --namespace "$NAMESPACE" get secret "$ACCOUNT-token" \
    --output "jsonpath={.data.$1}" 2>/dev/null
}

until TOKEN=$(secret_field token | base64 --decode) && [ -n "$TOKEN" ]; do
  sleep 2
done
export TOKEN # in the environment, since arguments are there for all to read

target="$RUNTIME_DIRECTORY/kubeconfig"
umask 077
k3s kubectl config view --raw --output json |
  jq '.users = [{ name: env.ACCOUNT, user: { token: env.TOKEN } }]
    | .contexts = [{
        name: env.ACCOUNT,
        context: { cluster: .clusters[0].name, user: env.ACCOUNT, namespace: env.NAMESPACE }
      }]
    | ."current-context" = env.ACCOUNT' >"$target.new"
chown "$OWNER" "$target.new"
mv "$target.new" "$target"
