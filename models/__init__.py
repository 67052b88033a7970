"""What the node can tell from pixels and numbers.  First floor: numpy, cv2 and onnxruntime."""
