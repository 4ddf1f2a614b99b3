{{- /* Labels of a part. Takes root and name. */ -}}
{{- define "docrelay.labels" -}}
app.kubernetes.io/name: docrelay
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end -}}

{{- /* The pod of a part. Takes root, name, command, settings, graceSeconds, resources, probes, and documents: whether it
reads the watched folder. */ -}}
{{- define "docrelay.pod" -}}
metadata:
  labels:
    {{- include "docrelay.labels" . | nindent 4 }}
  annotations:
    # Pods start again when what is below changes.
    checksum/settings: {{ .root.Values.settings | toJson | sha256sum }}
    checksum/secret: {{ .root.Values.secret | toJson | sha256sum }}
spec:
  automountServiceAccountToken: false
  enableServiceLinks: false
  # The first process of the pod is then the one that reaps what the readers of hostile files leave behind.
  shareProcessNamespace: true
  terminationGracePeriodSeconds: {{ .graceSeconds }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  {{- with .root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .root.Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .root.Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .root.Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .name }}
      image: {{ .root.Values.image.repository }}:{{ .root.Values.image.tag }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      command: {{ toJson .command }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      env:
        {{- range $setting, $value := merge (dict) .settings .root.Values.settings }}
        - name: DOCRELAY_{{ upper $setting }}
          value: {{ quote $value }}
        {{- end }}
        - name: DOCRELAY_REDIS_URL_FILE
          value: /run/secrets/docrelay/redis_url
        - name: DOCRELAY_DATABASE_URL_FILE
          value: /run/secrets/docrelay/database_url
        - name: DOCRELAY_QDRANT_API_KEY_FILE
          value: /run/secrets/docrelay/qdrant_api_key
        {{- with .root.Values.secret.settingsFile }}
        - name: DOCRELAY_CONFIG
          value: /run/secrets/docrelay/{{ . }}
        {{- end }}
        - name: DOCRELAY_DATA_DIR
          value: /data
        - name: DOCRELAY_SPOOL_URL
          value: /data/spool
        - name: DOCRELAY_LOG_TO
          value: stderr
        - name: HF_HOME
          value: /data/models
        # Processes are many, so each computes with one thread.
        - name: OMP_NUM_THREADS
          value: "1"
        - name: OMP_THREAD_LIMIT
          value: "1"
        - name: MKL_NUM_THREADS
          value: "1"
        - name: TOKENIZERS_PARALLELISM
          value: "false"
      {{- if eq .name "api" }}
      ports:
        - name: http
          containerPort: 8372
      {{- end }}
      {{- with .probes }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
      resources:
        {{- toYaml .resources | nindent 8 }}
      volumeMounts:
        - name: data
          mountPath: /data
        - name: secret
          mountPath: /run/secrets/docrelay
          readOnly: true
        - name: tmp
          mountPath: /tmp
        {{- if .documents }}
        - name: documents
          mountPath: /documents
          readOnly: true
        {{- end }}
  volumes:
    - name: data
      persistentVolumeClaim:
        claimName: {{ default (printf "%s-data" .root.Release.Name) .root.Values.data.existingClaim }}
    - name: secret
      secret:
        secretName: {{ default (printf "%s-secret" .root.Release.Name) .root.Values.secret.existing }}
    - name: tmp
      emptyDir:
        sizeLimit: 256Mi
    {{- if .documents }}
    - name: documents
      persistentVolumeClaim:
        claimName: {{ .root.Values.watch.claim }}
        readOnly: true
    {{- end }}
{{- end -}}

{{- /* Probes by a command in the container. It costs a second of a processor, hence once a minute; a Redis that is away
for some minutes must not start every worker again. Takes the name of the part: worker or beat. */ -}}
{{- define "docrelay.probes" -}}
startupProbe:
  exec:
    command: [python, -m, pipeline.engine.health, {{ . }}]
  periodSeconds: 10
  timeoutSeconds: 20
  failureThreshold: 30
livenessProbe:
  exec:
    command: [python, -m, pipeline.engine.health, {{ . }}]
  periodSeconds: 60
  timeoutSeconds: 20
  failureThreshold: 10
{{- end -}}
