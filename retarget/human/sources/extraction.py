"""What `retarget extract` writes: everything a perception backend said of a video or of pictures.

One `.npz` of this project (kind "extraction"), N rows, a hand in a frame each, of K tracks:

    =================== ============== ==========================================================
    frame, track        (N,)           which frame, which hand
    right, score        (N,)           what the backend said of this frame's side, and how surely
    box, keypoints_2d   (N, 4), …      x0 y0 x1 y1 and (N, 21, 2) [px]
    times               (T,)           of the frames [s]; absent for pictures
    track_right         (K,)           whether each track is a right hand
    =================== ============== ==========================================================

and either ``keypoints_3d`` (N, 21, 3) [m] alone (MediaPipe's world landmarks: no place in the
world, axes of the camera), or HaMeR's and WiLoR's predictions with MANO parameters as the network
said them. Their network is of a right hand and is shown a left one mirrored: keypoints, rotations
and ``pred_cam`` of rows that are not ``right`` belong to the mirrored picture, and are mirrored
back here. ``pred_cam_t_full`` alone is the real picture's.
"""

KIND, SCHEMA = "extraction", 1
ROW_SHAPES: dict[str, tuple[int, ...]] = {
    "frame": (),
    "right": (),
    "score": (),
    "box": (4,),
    "keypoints_2d": (21, 2),
    "keypoints_3d": (21, 3),
    "pred_keypoints_3d": (21, 3),
    "global_orient": (3, 3),
    "hand_pose": (15, 3, 3),
    "betas": (10,),
    "pred_cam": (3,),
    "pred_cam_t_full": (3,),
    "focal_length": (2,),
    "box_center": (2,),
    "box_size": (),
    "pred_vertices": (778, 3),
}
"""Shape of one row of each column."""
