{{/* How Kubernetes asks whether the server lives and serves. */}}

{{/* grpc or http. Kubernetes' own gRPC probes know no TLS, no credentials and no Unix sockets. */}}
{{- define "kvgate.probeHandler" -}}
{{- if ne .Values.probes.handler "auto" -}}
{{- .Values.probes.handler -}}
{{- else -}}
{{- $server := default dict .Values.config.server -}}
{{- $authentication := default dict $server.authentication -}}
{{- $open := or (not $authentication) (has "health" (default list $authentication.without_credentials)) -}}
{{- if and (include "kvgate.port" .) $open (not (include "kvgate.servesTls" .)) (not .Values.existingConfigMap.name) -}}
grpc
{{- else -}}
http
{{- end -}}
{{- end -}}
{{- end -}}

{{/* A probe: what it asks, and how often. */}}
{{- define "kvgate.probe" -}}
{{- $root := .root -}}
{{- if and (eq (include "kvgate.probeHandler" $root) "grpc") (not .timing.everyStore) -}}
grpc:
  port: {{ include "kvgate.port" $root }}
{{- else }}
httpGet:
  path: {{ eq .timing.everyStore true | ternary "/readyz" "/healthz" }}
  port: admin
{{- end }}
{{ omit .timing "everyStore" | toYaml }}
{{- end -}}

{{- define "kvgate.probes" -}}
startupProbe:
  {{- include "kvgate.probe" (dict "root" . "timing" .Values.probes.startup) | trim | nindent 2 }}
livenessProbe:
  {{- include "kvgate.probe" (dict "root" . "timing" .Values.probes.liveness) | trim | nindent 2 }}
readinessProbe:
  {{- include "kvgate.probe" (dict "root" . "timing" .Values.probes.readiness) | trim | nindent 2 }}
{{- end -}}
