# To be sourced by tests/kubernetes: the chart's examples, with the backends and Secrets that they name.

# self_signed FILE NAME: FILE.crt and FILE.key, a certificate that is its own authority.
self_signed() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=kvgate-tests \
        -addext "subjectAltName=$2" -addext basicConstraints=critical,CA:FALSE \
        -keyout "$folder/$1.key" -out "$folder/$1.crt" 2>/dev/null
}

# signed FILE NAME: FILE.crt and FILE.key, a certificate by the authority of ca.crt, which is made if it is not there.
signed() {
    [ -e "$folder/ca.crt" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 \
        -subj /CN=kvgate-tests-authority -addext keyUsage=critical,keyCertSign -keyout "$folder/ca.key" -out "$folder/ca.crt" 2>/dev/null
    openssl req -x509 -CA "$folder/ca.crt" -CAkey "$folder/ca.key" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -days 1 -subj /CN=kvgate-tests -addext "subjectAltName=$2" -addext basicConstraints=critical,CA:FALSE \
        -keyout "$folder/$1.key" -out "$folder/$1.crt" 2>/dev/null
}

# backend NAME PORT COMMAND...: runs a server on the node, at that port.
backend() {
    local name=$1 port=$2
    shift 2
    in_node "$@" >"$folder/log/$name.log" 2>&1 &
    until in_node bash -c "exec 3<>/dev/tcp/10.200.0.1/$port" 2>/dev/null; do
        kill -0 $! 2>/dev/null || fail "$name does not start: $(cat "$folder/log/$name.log")"
        sleep 0.1
    done
}

# reach NAME.NAMESPACE PORT TO: has pods reach the node's port TO by that name and port.
reach() {
    local name=${1%.*} namespace=${1#*.}
    in_node kubectl apply -f - <<YAML
apiVersion: v1
kind: Namespace
metadata: {name: $namespace}
---
apiVersion: v1
kind: Service
metadata: {name: $name, namespace: $namespace}
spec:
  ports: [{port: $2}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: $name, namespace: $namespace, labels: {kubernetes.io/service-name: $name}}
addressType: IPv4
ports: [{port: $3}]
endpoints: [{addresses: [10.200.0.1]}]
YAML
}

start_redis() {
    [ ! -e "$folder/redis.crt" ] || return 0
    step "a Redis that speaks TLS"
    self_signed redis DNS:redis.redis.svc
    backend redis 6379 redis-server --bind 10.200.0.1 --port 0 --tls-port 6379 --tls-auth-clients no --save '' \
        --tls-cert-file "$folder/redis.crt" --tls-key-file "$folder/redis.key" --requirepass made-up
    reach redis.redis 6379 6379
    kube create secret generic kvgate-redis --from-literal=password=made-up --from-file=ca.crt="$folder/redis.crt"
}

# A cluster of one Valkey, which both names of the example lead to, and a memcached by two names.
start_valkey_and_memcached() {
    step "a Valkey cluster that speaks TLS, and a memcached"
    self_signed valkey DNS:valkey-0.valkey.svc,DNS:valkey-1.valkey.svc
    backend valkey 6380 valkey-server --bind 10.200.0.1 --port 0 --tls-port 6380 --tls-auth-clients no --save '' \
        --tls-cert-file "$folder/valkey.crt" --tls-key-file "$folder/valkey.key" --tls-ca-cert-file "$folder/valkey.crt" --requirepass made-up --dir "$folder" \
        --cluster-enabled yes --tls-cluster yes --cluster-announce-hostname valkey-0.valkey.svc \
        --cluster-preferred-endpoint-type hostname --cluster-announce-tls-port 6379
    in_node valkey-cli -h 10.200.0.1 -p 6380 --tls --cacert "$folder/valkey.crt" --sni valkey-0.valkey.svc -a made-up \
        --no-auth-warning cluster addslotsrange 0 16383
    backend memcached 11211 memcached -l 10.200.0.1 -u nobody
    reach valkey-0.valkey 6379 6380
    reach valkey-1.valkey 6379 6380
    reach memcached-0.memcached 11211 11211
    reach memcached-1.memcached 11211 11211
    kube create secret generic kvgate-valkey --from-literal=password=made-up --from-file=ca.crt="$folder/valkey.crt"
    # nobody is there: the other stores go on
    kube create secret generic kvgate-mongodb --from-literal=url=mongodb://mongodb.mongodb.svc
}

# forward RELEASE PORT: has localhost:PORT lead to it, as its notes say, until the node ends.
forward() {
    kube port-forward "service/$1" "$2:50051" >"$folder/forward-$2" 2>&1 &
    until grep --quiet 'Forwarding from' "$folder/forward-$2"; do
        kill -0 $! 2>/dev/null || fail "no way to $1: $(cat "$folder/forward-$2")"
        sleep 0.1
    done
}

# denied ARGUMENT...: a call of kvgate's command line that must end with 6, not allowed.
denied() {
    local status=0
    in_node "$KVGATE_BIN" "$@" 2>"$folder/denied" || status=$?
    [ $status -eq 6 ] || fail "expected exit code 6 but got $status of kvgate $*: $(cat "$folder/denied")"
}

# What its comment says is done before it; three pods share what is in Redis.
redis_with_tls() {
    start_redis
    step "redis-tls.yaml"
    self_signed server DNS:kvgate.apps.svc,DNS:localhost
    "$KVGATE_BIN" token new web --role web --save "$folder/web.token" >"$folder/tokens.toml"
    kube create secret generic kvgate-tokens --from-file="$folder/tokens.toml"
    kube create secret generic kvgate-web --from-file=token="$folder/web.token"
    kube create secret tls kvgate-server --cert="$folder/server.crt" --key="$folder/server.key"
    helm install kvgate "$chart" "${image[@]}" --values "$chart/examples/redis-tls.yaml"
    helm test kvgate
    forward kvgate 50100
    local call=(--url https://localhost:50100 --tls-ca "$folder/server.crt")
    in_node "$KVGATE_BIN" put shared '{"by": "redis-tls"}' "${call[@]}" --token-file "$folder/web.token"
    denied list "${call[@]}" --token-file "$folder/web.token"
    in_node redis-cli -h 10.200.0.1 --tls --cacert "$folder/redis.crt" --sni redis.redis.svc -a made-up --no-auth-warning \
        --scan | grep --fixed-strings shared
    helm uninstall kvgate --wait
    kube delete pod kvgate-test
}

# The application of the example is stood for by another kvgate, whose program calls the first by the socket.
sidecar() {
    start_redis
    step "sidecar.yaml"
    # its Redis has a certificate that the system does not know
    helm install web "$chart" "${image[@]}" --values "$chart/examples/sidecar.yaml" \
        --set secrets.files.redis=kvgate-redis --set config.stores.sessions.tls.ca_file=/etc/kvgate/secrets/redis/ca.crt \
        --set extraContainers[0].image=localhost/kvgate:"$version" --set extraContainers[0].readinessProbe.httpGet.path=/readyz \
        --set-json 'extraContainers[0].args=["serve"]' --set-json 'extraContainers[0].env=[
            {"name": "KVGATE_URL", "value": "unix:/run/kvgate/kvgate.sock"},
            {"name": "KVGATE_SERVER__ADMIN_LISTEN", "value": "0.0.0.0:8080"},
            {"name": "KVGATE_STORES__MAIN__TYPE", "value": "memory"}]'
    kube exec deployment/web --container web -- /usr/bin/kvgate put greeting '{"by": "sidecar"}'
    [ "$(kube exec deployment/web --container web -- /usr/bin/kvgate get greeting)" = '{"by": "sidecar"}' ] ||
        fail "the socket does not lead to the store"
    helm uninstall web --wait
}

base64url() { basenc --base64url --wrap=0 | tr --delete =; }

# A token of the issuer in production.yaml, and the issuer's keys.
issue() {
    local key=$folder/issuer.key claims
    openssl genpkey -algorithm ed25519 -out "$key"
    printf '{"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "1", "x": "%s"}]}' \
        "$(openssl pkey -in "$key" -pubout -outform DER | tail --bytes 32 | base64url)" >"$folder/jwks.json"
    claims=$(printf '{"iss": "https://login.example.com/realms/main", "aud": "kvgate", "sub": "operator", "groups": ["platform"], "exp": %d}' \
        $(($(date +%s) + 3600)))
    printf '%s.%s' "$(printf '{"alg": "EdDSA", "kid": "1"}' | base64url)" "$(base64url <<<"$claims")" >"$folder/jwt"
    printf '.%s' "$(openssl pkeyutl -sign -rawin -inkey "$key" -in "$folder/jwt" | base64url)" >>"$folder/jwt"
}

# The definitions of what others add to Kubernetes, as their projects publish them; nobody acts on them here.
define_others() {
    local file
    for file in cert-manager.io_certificates gateway.networking.k8s.io_{backendtlspolicies,grpcroutes} \
        monitoring.coreos.com_{podmonitors,prometheusrules,servicemonitors}; do
        in_node kubectl apply --server-side -f "$cache/helm/schemas/definitions/$file.yaml"
    done
    in_node kubectl wait --for=condition=Established --timeout=60s customresourcedefinition --all
}

# Every object of production.yaml is taken; callers are known by certificate and by token, and roles are theirs.
production() {
    start_valkey_and_memcached
    step "production.yaml"
    issue
    signed server DNS:kvgate.apps.svc,DNS:localhost
    signed web URI:spiffe://example.com/ns/web/sa/kvgate-test
    signed stranger URI:spiffe://example.com/ns/other/sa/kvgate-test
    in_node kubectl label node node1 topology.kubernetes.io/zone=here
    in_node kubectl create priorityclass important --value=1000
    kube create secret generic kvgate-keys --from-file="$folder/jwks.json"
    kube create secret generic spiffe-bundle --from-file="$folder/ca.crt"
    # what cert-manager would make
    kube create secret generic kvgate-tls --type=kubernetes.io/tls --from-file=tls.crt="$folder/server.crt" \
        --from-file=tls.key="$folder/server.key" --from-file="$folder/ca.crt"
    kube create secret tls kvgate-test-certificate --cert="$folder/web.crt" --key="$folder/web.key"
    helm install kvgate "$chart" --values "$chart/examples/production.yaml" --values cluster/production.yaml "${image[@]}"
    helm test kvgate
    # the autoscaler knows no figures here, but the fewest pods
    kube wait --for=jsonpath='{.status.readyReplicas}=3' deployment/kvgate --timeout=120s
    kube get horizontalpodautoscaler,poddisruptionbudget,networkpolicy,certificate,grpcroute,backendtlspolicy,servicemonitor,prometheusrule \
        -l app.kubernetes.io/instance=kvgate

    forward kvgate 50101
    local call=(--url https://localhost:50101 --tls-ca "$folder/ca.crt")
    local web=(--tls-cert "$folder/web.crt" --tls-key "$folder/web.key")
    in_node "$KVGATE_BIN" put known '{"by": "certificate"}' --collection web-1 "${call[@]}" "${web[@]}"
    denied put known '{"by": "certificate"}' --collection others "${call[@]}" "${web[@]}"
    denied get known "${call[@]}" --tls-cert "$folder/stranger.crt" --tls-key "$folder/stranger.key"
    denied get known "${call[@]}"
    in_node "$KVGATE_BIN" list --collection web-1 "${call[@]}" --token-file "$folder/jwt"
    helm uninstall kvgate --wait
    kube delete pod kvgate-test
}

# The API server takes each example as it is, and the values with what no example has.
accepted() {
    local values
    step "taken by the API server"
    for values in "$chart"/examples/*.yaml cluster/everything.yaml; do
        helm template accepted "$chart" --values "$values" | kube apply --dry-run=server -f - >"$folder/accepted" ||
            fail "$values is not taken"
        printf '%s: %d objects\n' "${values##*/}" "$(wc -l <"$folder/accepted")"
    done
}
