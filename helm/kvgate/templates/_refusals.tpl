{{/* Values that can't work together, each said in a sentence. */}}

{{- define "kvgate.refuse" -}}
{{- $server := default dict .Values.config.server -}}
{{- if and .Values.existingConfigMap.name .Values.config -}}
{{- fail "config and existingConfigMap.name are both set: expected one of them" -}}
{{- end -}}
{{- if and .Values.certificate.create .Values.tls.existingSecret -}}
{{- fail "certificate.create and tls.existingSecret are both set: expected one of them" -}}
{{- end -}}
{{- if and .Values.certificate.create (not .Values.certificate.issuerRef.name) -}}
{{- fail "certificate.create needs certificate.issuerRef.name: the cert-manager issuer" -}}
{{- end -}}
{{- if and .Values.tls.clientCa.existingSecret (not (include "kvgate.tlsSecret" .)) -}}
{{- fail "tls.clientCa needs tls.existingSecret or certificate.create: callers show certificates only over TLS" -}}
{{- end -}}
{{- if and .Values.tokens.existingSecret.name (not .Values.existingConfigMap.name) (not $server.roles) -}}
{{- fail "tokens.existingSecret needs config.server.roles: what no rule allows is denied" -}}
{{- end -}}
{{- include "kvgate.refuseExposure" . -}}
{{- include "kvgate.refuseStores" . -}}
{{- include "kvgate.refuseProbes" . -}}
{{- if and .Values.autoscaling.enabled (not .Values.autoscaling.targetCPUUtilizationPercentage) (not .Values.autoscaling.metrics) -}}
{{- fail "autoscaling goes by nothing: set autoscaling.targetCPUUtilizationPercentage or autoscaling.metrics" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- fail "ingress.hosts is empty: an Ingress for all hosts would take others' calls" -}}
{{- end -}}
{{- if and .Values.grpcRoute.enabled (not .Values.grpcRoute.parentRefs) -}}
{{- fail "grpcRoute.parentRefs is empty: a route needs a gateway" -}}
{{- end -}}
{{- if and (or .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled) (not (include "kvgate.adminPort" .)) -}}
{{- fail (printf "monitors read config.server.admin_listen, but it is %s, which others do not reach" (include "kvgate.adminListen" .)) -}}
{{- end -}}
{{- if and (or .Values.ingress.enabled .Values.grpcRoute.enabled) (not (include "kvgate.port" .)) -}}
{{- fail (printf "ingress and grpcRoute lead to a Service, but config.server.listen is %s" (include "kvgate.listen" .)) -}}
{{- end -}}
{{- end -}}

{{/* The server would refuse to start: it is said here, before anything is installed. */}}
{{- define "kvgate.refuseExposure" -}}
{{- $server := default dict .Values.config.server -}}
{{- $guarded := or .Values.insecure .Values.existingConfigMap.name (include "kvgate.servesTls" .)
    (include "kvgate.tokensSecret" .) (hasKey $server "authentication") -}}
{{- if and (include "kvgate.port" .) (not $guarded) -}}
{{- fail "whoever can connect could do everything: set tokens, config.server.authentication or tls, or say insecure: true if the network keeps others out" -}}
{{- end -}}
{{- end -}}

{{- define "kvgate.refuseStores" -}}
{{- $keepsFiles := include "kvgate.keepsFiles" . | trim -}}
{{- if and (or $keepsFiles (include "kvgate.persistent" .)) (gt (include "kvgate.podsMax" . | int) 1) -}}
{{- fail (printf "a store that keeps files (%s) can have one pod: each would have data of its own. Set replicaCount: 1 and autoscaling.enabled: false" (default "persistence.enabled" $keepsFiles)) -}}
{{- end -}}
{{- if and $keepsFiles (not .Values.extraVolumeMounts) -}}
{{- range $name, $store := include "kvgate.stores" . | fromYaml -}}
{{- $path := include "kvgate.storeFolder" $store -}}
{{- if and $path (not (hasPrefix "/var/lib/kvgate/" $path)) -}}
{{- fail (printf "config.stores.%s keeps files in %s, which can't be written: choose a directory below /var/lib/kvgate/, or mount a volume there by extraVolumes and extraVolumeMounts" $name $path) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "kvgate.refuseProbes" -}}
{{- if and (or (eq (include "kvgate.probeHandler" .) "http") .Values.probes.readiness.everyStore) (not (include "kvgate.adminPort" .)) -}}
{{- fail "probes need config.server.admin_listen on an address that Kubernetes reaches: they can't ask by gRPC for every store, over TLS, with credentials or on a Unix socket" -}}
{{- end -}}
{{- if and (eq .Values.probes.handler "grpc") (not (include "kvgate.port" .)) -}}
{{- fail (printf "probes.handler is grpc, but config.server.listen is %s, which Kubernetes does not reach" (include "kvgate.listen" .)) -}}
{{- end -}}
{{- end -}}
