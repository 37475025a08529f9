#!/usr/bin/env bash
# Makes what a stack of containers needs and nobody else may know, beside this script:
#
#   keys/ca.crt ca.key          the authority of all certificates here
#   keys/server.crt server.key  the api's certificate
#   keys/token.key              signs the tokens of service accounts
#   keys/secret.key             seals Secrets in the database
#   keys/kubeconfig             for the administrator, with a client certificate
#   keys/dispatcher.kubeconfig  for the trigger-dispatcher
#   keys/samples.kubeconfig     for the samples-manager
#   .env                        passwords of Postgres and NATS, and the user of the containers
#
# usage: deploy/make-keys.sh [NAME_OR_ADDRESS ...]    what clients call the api, besides localhost
#
# What exists is kept: delete server.crt to make another one with other names.
set -euo pipefail
umask 077

names=("$@")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
keys=${TAGSTREAM_KEYS_DIR:-$here/keys}
environment=${TAGSTREAM_ENV_FILE:-$here/.env}
url=https://${names[0]:-127.0.0.1}:8443
mkdir -p "$keys"
cd "$keys"

# An EC P-256 key in PEM.
new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }

# issue NAME SUBJECT EXTENSION...: a certificate of our authority, valid for 825 days.
issue() {
  local name=$1 subject=$2
  shift 2
  [ -e "$name.crt" ] && return
  [ -e "$name.key" ] || new_key "$name.key"
  openssl req -new -key "$name.key" -subj "$subject" |
    openssl x509 -req -CA ca.crt -CAkey ca.key -CAcreateserial -days 825 -sha256 -out "$name.crt" \
      -extfile <(printf '%s\n' "$@") 2>/dev/null
}

alternative_names() {
  local found=DNS:localhost,DNS:api,IP:127.0.0.1 name
  for name in "${names[@]}"; do
    if [[ $name =~ ^[0-9.]+$ || $name == *:* ]]; then found+=,IP:$name; else found+=,DNS:$name; fi
  done
  printf 'subjectAltName=%s' "$found"
}

# kubeconfig FILE SERVER CERTIFICATE NAMESPACE
kubeconfig() {
  cat >"$1" <<END
apiVersion: v1
kind: Config
current-context: tagstream
clusters:
  - name: tagstream
    cluster: {server: "$2", certificate-authority-data: $(base64 -w0 ca.crt)}
users:
  - name: $3
    user: {client-certificate-data: $(base64 -w0 "$3.crt"), client-key-data: $(base64 -w0 "$3.key")}
contexts:
  - name: tagstream
    context: {cluster: tagstream, user: $3, namespace: $4}
END
}

if [ ! -e ca.crt ]; then
  new_key ca.key
  openssl req -x509 -new -key ca.key -subj "/CN=tagstream" -days 3650 -sha256 -out ca.crt
fi
issue server "/CN=tagstream-api" "$(alternative_names)" extendedKeyUsage=serverAuth
issue admin "/O=system:masters/CN=system:admin" extendedKeyUsage=clientAuth
issue dispatcher "/CN=system:serviceaccount:tagstream-system:trigger-dispatcher" \
  extendedKeyUsage=clientAuth
issue samples "/CN=system:serviceaccount:tagstream-system:samples-manager" \
  extendedKeyUsage=clientAuth
[ -e token.key ] || new_key token.key
[ -e secret.key ] || openssl rand -base64 32 >secret.key
kubeconfig kubeconfig "$url" admin default
kubeconfig dispatcher.kubeconfig https://api:8443 dispatcher tagstream-system
kubeconfig samples.kubeconfig https://api:8443 samples tagstream-system

if [ ! -e "$environment" ]; then
  cat >"$environment" <<END
TAGSTREAM_USER=$(id -u):$(id -g)
POSTGRES_PASSWORD=$(openssl rand -hex 24)
NATS_PASSWORD=$(openssl rand -hex 24)
END
fi
echo "keys are in $keys"
