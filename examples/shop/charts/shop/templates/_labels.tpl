{{- define "shop.labels" -}}
app.kubernetes.io/name: {{ . }}
{{- end }}
