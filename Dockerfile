# The README's commands in a container.
#   CPU:   docker build -t noisy-label-bench .
#   CUDA:  docker build -t noisy-label-bench:cuda --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 .
#   run:   docker run --rm -v "$PWD/output:/work/output" noisy-label-bench run quick
#          docker run --rm -v "$PWD/output:/work/output" --gpus all noisy-label-bench:cuda run quick
FROM python:3.11-slim
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /suite
COPY . .
RUN pip install --no-cache-dir --extra-index-url "$TORCH_INDEX" -c constraints.txt -e .
WORKDIR /work
ENV MPLCONFIGDIR=/tmp/matplotlib
ENTRYPOINT ["python", "/suite/run_benchmark.py"]
