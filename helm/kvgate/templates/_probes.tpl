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

{{/* Liveness does not go by the gRPC listener unless it must: its limit of connections would have a pod killed
for being busy. */}}
{{- define "kvgate.livenessHandler" -}}
{{- if and (eq .Values.probes.handler "auto") (include "kvgate.adminPort" .) -}}
http
{{- else -}}
{{- include "kvgate.probeHandler" . -}}
{{- end -}}
{{- end -}}

{{/* A probe: what it asks, and how often. */}}
{{- define "kvgate.probe" -}}
{{- if eq .handler "grpc" -}}
grpc:
  port: {{ include "kvgate.port" .root }}
{{- else -}}
httpGet:
  path: {{ .path }}
  port: admin
{{- end }}
{{ omit .timing "everyStore" | toYaml }}
{{- end -}}

{{- define "kvgate.probes" -}}
{{- $handler := include "kvgate.probeHandler" . -}}
{{- $probe := dict "root" . "path" "/healthz" -}}
{{- $everyStore := .Values.probes.readiness.everyStore -}}
{{- $readiness := $everyStore | ternary (dict "handler" "http" "path" "/readyz") (dict "handler" $handler) -}}
startupProbe:
  {{- merge (dict "handler" $handler "timing" .Values.probes.startup) $probe | include "kvgate.probe" | nindent 2 }}
livenessProbe:
  {{- $liveness := dict "handler" (include "kvgate.livenessHandler" .) "timing" .Values.probes.liveness }}
  {{- merge $liveness $probe | include "kvgate.probe" | nindent 2 }}
readinessProbe:
  {{- merge $readiness (dict "timing" .Values.probes.readiness) $probe | include "kvgate.probe" | nindent 2 }}
{{- end -}}
