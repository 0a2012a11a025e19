# One image for all roles: docker run IMAGE master|mapper|reducer OPTIONS
FROM python:3.11-slim AS build
RUN python -m venv /opt/run
ENV PATH=/opt/run/bin:$PATH NUMBA_CACHE_DIR=/opt/kernels
WORKDIR /src
COPY . .
RUN pip install --no-cache-dir . \
    && python -m common.kernels \
    && chmod -R a+rwX /opt/kernels

FROM python:3.11-slim
COPY --from=build /opt/run /opt/run
COPY --from=build /opt/kernels /opt/kernels
ENV PATH=/opt/run/bin:$PATH NUMBA_CACHE_DIR=/opt/kernels PYTHONUNBUFFERED=1
# Nobody in particular; compose.yaml runs it as the user who owns the certificates.
RUN install -d -m 1777 /work
USER 10001:10001
WORKDIR /work
ENTRYPOINT ["python", "-m"]
