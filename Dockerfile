# One image for all roles: docker run IMAGE master|mapper|reducer OPTIONS
FROM python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d AS base

FROM base AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/run
WORKDIR /src
# First what the program needs and is built with: a change of the sources installs none of it again.
COPY pyproject.toml .
RUN python -c "import tomllib; known = tomllib.load(open('pyproject.toml', 'rb')); \
open('/build.txt', 'w').write('\n'.join(known['build-system']['requires'])); \
open('/run.txt', 'w').write('\n'.join(known['project']['dependencies']))" \
    && pip install -r /build.txt && /opt/run/bin/pip install -r /run.txt
COPY . .
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/run/bin/pip install --no-deps /wheels/*.whl
# Not in the folder of the sources: what is compiled is kept by the path of its source, the installed one.
WORKDIR /
RUN NUMBA_CACHE_DIR=/opt/kernels /opt/run/bin/python -m common.kernels && chmod -R a+rwX /opt/kernels

# JupyterLab and the notebook: compose.yaml builds it under its profile.
FROM build AS notebook
RUN /opt/run/bin/pip install "$(ls /wheels/*.whl)[notebook]" && chmod -R a+rwX /opt/kernels
ENV PATH=/opt/run/bin:$PATH NUMBA_CACHE_DIR=/opt/kernels HOME=/tmp
USER 10001:10001
WORKDIR /work
ENTRYPOINT ["jupyter", "lab"]

FROM base
# Any user may write here: compose.yaml runs it as the user who starts it.
RUN install -d -m 1777 /opt/kernels /scratch /work
COPY --from=build /opt/run /opt/run
COPY --from=build /opt/kernels /opt/kernels
ENV PATH=/opt/run/bin:$PATH NUMBA_CACHE_DIR=/opt/kernels PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /work
ENTRYPOINT ["python", "-m"]
