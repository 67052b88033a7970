"""What the node can tell from pixels and numbers.  First floor: numpy, cv2 and onnxruntime."""

import os

# OpenCV reads these when it is first imported: silence about broken files on stderr, and a bound on
# what it may decode, in pixels after reduction.  The header is checked before (models.preprocess);
# this holds even where a hostile file shows two readers two sizes.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", "24000000")

# NumPy's BLAS reads this when NumPy is first imported.  Parallelism comes from requests: threads of
# its own would spin beside every diagnosis and double the processor time of one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
