# The commands, without the repository of a project: docker build -t ensembl-annotations .
#   docker run --rm -u "$(id -u):$(id -g)" -v "$PWD:/work" ensembl-annotations annotate --vcf in.vcf.gz \
#       --reference reference --out-vcf out.vcf.gz
# Workers of a cluster: docker run … --entrypoint dask ensembl-annotations worker tcp://HOST:8786 --nthreads 1
FROM python:3.11-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY requirements-build.lock requirements.lock ./
RUN python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --require-hashes -r requirements-build.lock \
 && /opt/venv/bin/pip install --no-cache-dir --require-hashes --no-build-isolation -r requirements.lock
COPY pyproject.toml setup.py README.md LICENSE ./
COPY src src
RUN /opt/venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
 && /opt/venv/bin/pip uninstall -y pip setuptools wheel

FROM python:3.11-slim
RUN apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 1000 annotator
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1
USER annotator
WORKDIR /work
ENTRYPOINT ["ensembl-annotations"]
CMD ["--help"]
