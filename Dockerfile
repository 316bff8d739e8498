# The server alone: a static binary and the roots of trust. The process executor
# runs the programs of the image that it is in: to run jobs here, start from an
# image that has their programs and copy /redrive into it.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
# The image is built without the workspace, as everybody who imports us does.
RUN GOWORK=off CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/redrive ./cmd/redrive \
    && mkdir -p /out/data /out/tmp && chmod 1777 /out/tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/tmp /tmp
COPY --from=build /out/redrive /redrive
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
VOLUME /data
EXPOSE 8470 8471 8472
ENTRYPOINT ["/redrive"]
# Loopback of the container alone; deploy/k8s shows how to listen beyond it.
CMD ["serve", "--data", "/data"]
