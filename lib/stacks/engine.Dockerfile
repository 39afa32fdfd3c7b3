# The engine: the bundle that `npm run build` made, on Node, as a user who may write nothing.
FROM node:24.21.0-bookworm-slim
# Certificates of RDS, which Node does not trust by itself.
ADD --chmod=444 https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem /etc/ssl/rds.pem
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/rds.pem NODE_OPTIONS=--enable-source-maps NODE_ENV=production
WORKDIR /srv
COPY --chmod=555 . .
USER node
# Node is the first process, so it hears SIGTERM itself.
CMD ["node", "index.mjs"]
