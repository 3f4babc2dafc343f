# For those who build with Docker. `npm run image` needs no Docker and gives the same bytes from the same commit; this does not.
# A test holds both in step: test/tools/image/dockerfile.test.ts.
FROM node:24-bookworm-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci
COPY LICENSE tsconfig.json tsconfig.dist.json ./
COPY tools/dist.ts tools/dist.ts
COPY contract contract
COPY packager packager
COPY puller puller
COPY cli cli
RUN node tools/dist.ts && npm prune --omit=dev --omit=optional && mkdir /cache

# The C and C++ libraries that Node needs, CA certificates, no shell.
FROM gcr.io/distroless/cc-debian12
COPY --from=build /usr/local/bin/node /bin/node
COPY --from=build --chown=65532:65532 /cache /var/cache/waybill
COPY --from=build /src/node_modules /app/node_modules
COPY --from=build /src/dist /app/dist
COPY --from=build /src/cli/waybill.js /app/cli/waybill.js
COPY --from=build /src/package.json /app/package.json
COPY --from=build /src/LICENSE /app/LICENSE
ENV HOME=/tmp
ENV XDG_CACHE_HOME=/var/cache
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["/bin/node", "/app/cli/waybill.js"]
CMD ["puller"]
