{{/* The pod of `helm test`. */}}

{{- define "kvgate.testLabels" -}}
app.kubernetes.io/name: {{ include "kvgate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: test
{{- end -}}

{{/* The Secret with a token for the test. */}}
{{- define "kvgate.testToken" -}}
{{- if .Values.test.tokenSecret.name -}}
{{- .Values.test.tokenSecret.name -}}
{{- else if include "kvgate.makesToken" . -}}
{{- include "kvgate.tokensSecret" . -}}
{{- end -}}
{{- end -}}

{{- define "kvgate.testUrl" -}}
{{- $scheme := include "kvgate.servesTls" . | empty | ternary "http" "https" -}}
{{- default (printf "%s://%s:%d" $scheme (include "kvgate.host" .) (int .Values.service.port)) .Values.test.url -}}
{{- end -}}

{{- define "kvgate.testEnv" -}}
- name: KVGATE_URL
  value: {{ include "kvgate.testUrl" . }}
{{- with include "kvgate.testToken" . }}
- name: KVGATE_TOKEN
  valueFrom:
    secretKeyRef: {name: {{ . }}, key: {{ $.Values.test.tokenSecret.key }}}
{{- end }}
{{- if include "kvgate.testCa" . }}
- {name: KVGATE_TLS_CA, value: /etc/kvgate/ca/{{ .Values.test.caSecret.key }}}
{{- end }}
{{- if .Values.test.certificateSecret }}
- {name: KVGATE_TLS_CERT, value: /etc/kvgate/certificate/tls.crt}
- {name: KVGATE_TLS_KEY, value: /etc/kvgate/certificate/tls.key}
{{- end }}
{{- end -}}

{{/* The Secret with the authorities of the server's certificate; nothing for those of the system. */}}
{{- define "kvgate.testCa" -}}
{{- if ne .Values.test.caSecret.name "-" -}}
{{- default (include "kvgate.tlsSecret" .) .Values.test.caSecret.name -}}
{{- end -}}
{{- end -}}

{{/* One call, by the image's own program: there is no shell. */}}
{{- define "kvgate.testCall" -}}
{{- $root := .root -}}
name: {{ .name }}
image: {{ include "kvgate.image" $root | quote }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
args:
  {{- toYaml .args | nindent 2 }}
  - --collection=helm-test
  {{- with $root.Values.test.store }}
  - --store={{ . }}
  {{- end }}
  {{- if and (include "kvgate.testToken" $root) (include "kvgate.testUrl" $root | hasPrefix "http:") }}
  # it is what whoever installed this without TLS has chosen
  - --allow-insecure-token
  {{- end }}
env:
  {{- include "kvgate.testEnv" $root | nindent 2 }}
{{- with $root.Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
resources:
  requests: {cpu: 10m, memory: 32Mi, ephemeral-storage: 8Mi}
  limits: {memory: 128Mi, ephemeral-storage: 64Mi}
{{- if or (include "kvgate.testCa" $root) $root.Values.test.certificateSecret }}
volumeMounts:
  {{- if include "kvgate.testCa" $root }}
  - {name: ca, mountPath: /etc/kvgate/ca, readOnly: true}
  {{- end }}
  {{- if $root.Values.test.certificateSecret }}
  - {name: certificate, mountPath: /etc/kvgate/certificate, readOnly: true}
  {{- end }}
{{- end }}
{{- end -}}
