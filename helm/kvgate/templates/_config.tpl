{{/* What the server is told: the values' `config`, and what the chart knows by itself. */}}

{{/* The Secret with the certificate to serve; nothing without TLS. */}}
{{- define "kvgate.tlsSecret" -}}
{{- if .Values.certificate.create -}}
{{ include "kvgate.fullname" . }}-tls
{{- else -}}
{{- .Values.tls.existingSecret -}}
{{- end -}}
{{- end -}}

{{/* Whether the server speaks TLS, as far as the chart knows. */}}
{{- define "kvgate.servesTls" -}}
{{- if or (include "kvgate.tlsSecret" .) (hasKey (default dict .Values.config.server) "tls") -}}
yes
{{- end -}}
{{- end -}}

{{/* Whether a token is made: nothing else says how callers are known. */}}
{{- define "kvgate.makesToken" -}}
{{- $server := default dict .Values.config.server -}}
{{- if and .Values.tokens.create (not .Values.tokens.existingSecret.name) (not .Values.insecure)
    (not .Values.existingConfigMap.name) (not (hasKey $server "authentication")) (include "kvgate.port" .) -}}
yes
{{- end -}}
{{- end -}}

{{/* The Secret with the tokens' hashes, and the key in it; nothing without it. */}}
{{- define "kvgate.tokensSecret" -}}
{{- if .Values.tokens.existingSecret.name -}}
{{- .Values.tokens.existingSecret.name -}}
{{- else if include "kvgate.makesToken" . -}}
{{ include "kvgate.fullname" . }}-token
{{- end -}}
{{- end -}}

{{- define "kvgate.tokensKey" -}}
{{- if .Values.tokens.existingSecret.name -}}
{{- .Values.tokens.existingSecret.key -}}
{{- else -}}
tokens.json
{{- end -}}
{{- end -}}

{{- define "kvgate.listen" -}}
{{- dig "server" "listen" (printf "0.0.0.0:%d" (int .Values.service.port)) .Values.config -}}
{{- end -}}

{{- define "kvgate.adminListen" -}}
{{- dig "server" "admin_listen" (printf "0.0.0.0:%d" (int .Values.service.adminPort)) .Values.config -}}
{{- end -}}

{{/* The port of an address that others can reach; nothing for loopback and Unix sockets. */}}
{{- define "kvgate.reachablePort" -}}
{{- if not (regexMatch `^(unix:|127\.|\[::1\])` .) -}}
{{- regexFind `[0-9]+$` . -}}
{{- end -}}
{{- end -}}

{{- define "kvgate.port" -}}
{{- include "kvgate.reachablePort" (include "kvgate.listen" .) -}}
{{- end -}}

{{- define "kvgate.adminPort" -}}
{{- include "kvgate.reachablePort" (include "kvgate.adminListen" .) -}}
{{- end -}}

{{/* The folder of the Unix socket; nothing without one. */}}
{{- define "kvgate.socketFolder" -}}
{{- $listen := include "kvgate.listen" . -}}
{{- if hasPrefix "unix:" $listen -}}
{{- trimPrefix "unix:" $listen | dir -}}
{{- end -}}
{{- end -}}

{{/* What the chart knows of `server.tls`. */}}
{{- define "kvgate.serverTls" -}}
{{- if include "kvgate.tlsSecret" . -}}
certificate_file: /etc/kvgate/tls/tls.crt
key_file: /etc/kvgate/tls/tls.key
{{- if .Values.tls.clientCa.existingSecret }}
client_ca_file: /etc/kvgate/client-ca/{{ .Values.tls.clientCa.key }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* What the chart knows of `server.authentication` and `server.roles`. */}}
{{- define "kvgate.serverAccess" -}}
{{- if include "kvgate.tokensSecret" . -}}
authentication:
  tokens_file: /etc/kvgate/tokens/{{ include "kvgate.tokensKey" . }}
  {{- /* an empty list would not go before this: merge takes it for one that is not set */}}
  {{- if not (dig "authentication" "without_credentials" false (default dict .Values.config.server) | kindIs "slice") }}
  without_credentials: [health]
  {{- end }}
{{- end }}
{{- if include "kvgate.makesToken" . }}
roles:
  owner:
    - stores: ["*"]
      operations: [read, write, list, admin]
{{- end -}}
{{- end -}}

{{/* The stores; without any the same as `kvgate serve` has. */}}
{{- define "kvgate.stores" -}}
{{- if .Values.config.stores -}}
{{- toYaml .Values.config.stores -}}
{{- else -}}
main:
  type: disk
  directory: /var/lib/kvgate/main
{{- end -}}
{{- end -}}

{{/* The whole configuration. What the values say goes before what the chart knows. */}}
{{- define "kvgate.config" -}}
{{- $known := dict
  "listen" (include "kvgate.listen" .)
  "admin_listen" (include "kvgate.adminListen" .)
-}}
{{- if include "kvgate.port" . -}}
{{- /* connections end now and then, so that callers find pods that are new */ -}}
{{- $_ := set $known "connections" (dict "age_max" "10m") -}}
{{- end -}}
{{- $known = merge $known (include "kvgate.serverAccess" . | fromYaml) -}}
{{- with include "kvgate.serverTls" . | fromYaml -}}
{{- $_ := set $known "tls" . -}}
{{- end -}}
{{- $said := default dict .Values.config.server | deepCopy -}}
{{- dict "server" (merge $said $known) "stores" (include "kvgate.stores" . | fromYaml) | toYaml -}}
{{- end -}}

{{/* Where a store keeps files; nothing if it keeps none: those that do need to be told where. */}}
{{- define "kvgate.storeFolder" -}}
{{- with default .path .directory -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{/* The stores that keep files: pods then have volumes of their own. */}}
{{- define "kvgate.keepsFiles" -}}
{{- if not .Values.existingConfigMap.name -}}
{{- range $name, $store := include "kvgate.stores" . | fromYaml -}}
{{- if include "kvgate.storeFolder" $store -}}
{{ $name }}{{ " " }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "kvgate.persistent" -}}
{{- if kindIs "bool" .Values.persistence.enabled -}}
{{- if .Values.persistence.enabled -}}yes{{- end -}}
{{- else if include "kvgate.keepsFiles" . -}}
yes
{{- end -}}
{{- end -}}

{{/* The most pods that there can be. */}}
{{- define "kvgate.podsMax" -}}
{{- if .Values.autoscaling.enabled -}}
{{- .Values.autoscaling.maxReplicas -}}
{{- else -}}
{{- .Values.replicaCount -}}
{{- end -}}
{{- end -}}

{{/* A duration of the configuration in seconds: "1m 30s", or a number. */}}
{{- define "kvgate.seconds" -}}
{{- if kindIs "string" . -}}
{{- $part := `([0-9]+(\.[0-9]+)?)\s*(ms|s|m|h)` -}}
{{- if not (regexMatch (printf `^\s*(%s\s*)+$` $part) .) -}}
{{- fail (printf "the duration %q: write it with h, m, s and ms, such as \"1m 30s\"" .) -}}
{{- end -}}
{{- $units := dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 -}}
{{- $seconds := 0.0 -}}
{{- range regexFindAll $part . -1 -}}
{{- $seconds = addf $seconds (mulf (regexFind `[0-9.]+` . | float64) (get $units (regexFind `[a-z]+` .))) -}}
{{- end -}}
{{- ceil $seconds | int -}}
{{- else -}}
{{- ceil . | int -}}
{{- end -}}
{{- end -}}

{{/* How long a pod may take to stop: what it waits, what calls may take, and some for the rest. */}}
{{- define "kvgate.graceSeconds" -}}
{{- if ne .Values.terminationGracePeriodSeconds nil -}}
{{- .Values.terminationGracePeriodSeconds -}}
{{- else -}}
{{- $drain := include "kvgate.seconds" (dig "server" "drain_timeout" "30s" .Values.config) -}}
{{- add (int .Values.preStopSeconds) (int $drain) 5 -}}
{{- end -}}
{{- end -}}
