# Narrowgate in a container: the binary, the platform's trust anchors, and nothing that is not needed.
#
#   docker build -t narrowgate .
#   docker run -v ./gateway.yaml:/etc/narrowgate/gateway.yaml:ro -p 8080:8080 narrowgate

FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /build

# The dependencies first, with a program that does nothing: this layer is made anew only when the lock file changes.
COPY Cargo.toml Cargo.lock ./
COPY shims shims
# The manifest names them, so they must be there; they are not built.
COPY benches benches
RUN mkdir src \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs \
    && cargo build --release --locked --bin narrowgate \
    && rm -r src

COPY gateway.yaml ./
COPY templates templates
COPY src src
# The files may be older than the empty program that was just built.
RUN touch src/main.rs src/lib.rs \
    && cargo build --release --locked --bin narrowgate

FROM debian:bookworm-20250908-slim
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /build/target/release/narrowgate /usr/local/bin/narrowgate
# By number, so that a cluster can see that it is not root.
USER 65532:65532
EXPOSE 8080 8443 9090
ENTRYPOINT ["narrowgate"]
CMD ["run", "-c", "/etc/narrowgate/gateway.yaml"]
