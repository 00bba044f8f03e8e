"""The `docker` plugin: `docker:index/image:Image`, built by a Docker engine or packed as an archive.

`LOCAL_AWS_IMAGE_BUILDER=docker`: a real `docker build` and `docker push`. `archive`, without Docker: the build context
is packed as the Dockerfile says and pushed to the registry. `RUN` lines are not executed and the base image's files are
not included, so such an image only runs in the emulator's `process` runtime, which has interpreter and packages.
"""
