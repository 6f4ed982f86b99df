# Captions and answers, run by a user without rights. There is no TensorFlow in it, which
# only training needs. It is built from the repository alone:
#
#     docker build -t sightread .                  # the page, on port 7860
#     docker build -t sightread-ray --build-arg FOR=ray .   # a node, see compose.yaml
FROM python:3.12-slim AS build
COPY . /source
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /source

FROM python:3.12-slim
ARG FOR=page
COPY requirements /tmp/requirements
RUN pip install --no-cache-dir -r /tmp/requirements/$FOR.txt
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-deps /wheels/*.whl
RUN useradd --create-home sightread

USER sightread
WORKDIR /home/sightread
EXPOSE 7860
HEALTHCHECK --start-period=60s CMD ["python", "-c", \
    "import urllib.request as r; r.urlopen('http://localhost:7860/', timeout=10)"]
# Browsers open it by "localhost" or by an address; --host-name adds other names.
CMD ["captioner", "demo", "--host", "0.0.0.0"]
