{{/* The pods' template, of the Deployment and of the StatefulSet. */}}

{{- define "kvgate.podTemplate" -}}
metadata:
  labels:
    {{- $labels := merge (include "kvgate.selectorLabels" . | fromYaml) .Values.podLabels (include "kvgate.labels" . | fromYaml) }}
    {{- omit $labels "helm.sh/chart" "app.kubernetes.io/managed-by" | toYaml | nindent 4 }}
  annotations:
    {{- if not .Values.existingConfigMap.name }}
    checksum/config: {{ include "kvgate.config" . | sha256sum }}
    {{- end }}
    kubectl.kubernetes.io/default-container: kvgate
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "kvgate.serviceAccountName" . }}
  automountServiceAccountToken: {{ .Values.serviceAccount.automountServiceAccountToken }}
  # variables of Services begin with KVGATE_ too, and would be taken for settings
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "kvgate.graceSeconds" . }}
  {{- with .Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.extraInitContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - {{ include "kvgate.container" . | nindent 6 | trim }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "kvgate.volumes" . | trim | nindent 4 }}
  {{- with include "kvgate.placement" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "kvgate.container" -}}
name: kvgate
image: {{ include "kvgate.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args:
  - serve
  - --config=/etc/kvgate/config/{{ default "kvgate.yaml" (and .Values.existingConfigMap.name .Values.existingConfigMap.key) }}
  {{- if .Values.insecure }}
  - --insecure
  {{- end }}
{{- with include "kvgate.env" . | trim }}
env:
  {{- . | nindent 2 }}
{{- end }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if or (include "kvgate.port" .) (include "kvgate.adminPort" .) }}
ports:
  {{- with include "kvgate.port" . }}
  - {name: grpc, containerPort: {{ . }}}
  {{- end }}
  {{- with include "kvgate.adminPort" . }}
  - {name: admin, containerPort: {{ . }}}
  {{- end }}
{{- end }}
{{ include "kvgate.probes" . }}
{{- if .Values.preStopSeconds }}
lifecycle:
  preStop:
    # no new calls come once everybody has learnt that the pod is going
    sleep:
      seconds: {{ .Values.preStopSeconds }}
{{- end }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  {{- include "kvgate.volumeMounts" . | trim | nindent 2 }}
{{- end -}}

{{- define "kvgate.env" -}}
{{- if .Values.existingConfigMap.name }}
- {name: KVGATE_SERVER__LISTEN, value: {{ include "kvgate.listen" . | quote }}}
- {name: KVGATE_SERVER__ADMIN_LISTEN, value: {{ include "kvgate.adminListen" . | quote }}}
{{- range $field, $file := include "kvgate.serverTls" . | fromYaml }}
- {name: KVGATE_SERVER__TLS__{{ upper $field }}, value: {{ $file }}}
{{- end }}
{{- if include "kvgate.tokensSecret" . }}
- {name: KVGATE_SERVER__AUTHENTICATION__TOKENS_FILE, value: /etc/kvgate/tokens/{{ include "kvgate.tokensKey" . }}}
{{- end }}
{{- end }}
{{- range $name, $secret := .Values.secrets.env }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef: {name: {{ $secret.name }}, key: {{ $secret.key }}}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "kvgate.volumeMounts" -}}
- {name: config, mountPath: /etc/kvgate/config, readOnly: true}
{{- if include "kvgate.tokensSecret" . }}
- {name: tokens, mountPath: /etc/kvgate/tokens, readOnly: true}
{{- end }}
{{- if include "kvgate.tlsSecret" . }}
- {name: tls, mountPath: /etc/kvgate/tls, readOnly: true}
{{- end }}
{{- if .Values.tls.clientCa.existingSecret }}
- {name: client-ca, mountPath: /etc/kvgate/client-ca, readOnly: true}
{{- end }}
{{- range $name, $secret := .Values.secrets.files }}
- {name: secret-{{ $name }}, mountPath: /etc/kvgate/secrets/{{ $name }}, readOnly: true}
{{- end }}
{{- if or (include "kvgate.persistent" .) (include "kvgate.keepsFiles" .) }}
- {name: data, mountPath: /var/lib/kvgate}
{{- end }}
{{- with include "kvgate.socketFolder" . }}
- {name: socket, mountPath: {{ . }}}
{{- end }}
- {name: tmp, mountPath: /tmp}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Secrets are for the server's group alone. None is mounted by subPath: new ones are seen. */}}
{{- define "kvgate.volumes" -}}
- name: config
  configMap:
    name: {{ default (include "kvgate.fullname" .) .Values.existingConfigMap.name }}
{{- with include "kvgate.tokensSecret" . }}
- name: tokens
  secret:
    secretName: {{ . }}
    defaultMode: 0440
    items:
      # the hashes alone: the server never has the token
      - {key: {{ include "kvgate.tokensKey" $ }}, path: {{ include "kvgate.tokensKey" $ }}}
{{- end }}
{{- with include "kvgate.tlsSecret" . }}
- name: tls
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- with .Values.tls.clientCa.existingSecret }}
- name: client-ca
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- range $name, $secret := .Values.secrets.files }}
- name: secret-{{ $name }}
  secret: {secretName: {{ $secret }}, defaultMode: 0440}
{{- end }}
{{- if and (include "kvgate.persistent" .) .Values.persistence.existingClaim }}
- name: data
  persistentVolumeClaim: {claimName: {{ .Values.persistence.existingClaim }}}
{{- else if and (include "kvgate.keepsFiles" .) (not (include "kvgate.persistent" .)) }}
- name: data
  emptyDir: {}
{{- end }}
{{- if include "kvgate.socketFolder" . }}
- name: socket
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
{{- end }}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "kvgate.placement" -}}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .Values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- $own := dict "labelSelector" (dict "matchLabels" (include "kvgate.selectorLabels" . | fromYaml)) }}
  {{- range .Values.topologySpreadConstraints }}
  - {{ toYaml (hasKey . "labelSelector" | ternary . (merge (dict) . $own)) | nindent 4 | trim }}
  {{- end }}
{{- end }}
{{- end -}}
